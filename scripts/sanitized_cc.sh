#!/bin/sh
# The machine's compiler with sanitizers, for `deno task test:sanitize`.
exec cc "$@" -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined
