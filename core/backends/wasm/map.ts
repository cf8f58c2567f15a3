/** Loops that write each element once. */
import { nestOf } from "../../lowering/nest.ts";
import { emitNest, type Share } from "./body.ts";
import {
  type CodeEmitter,
  dtypeOf,
  type Frame,
  type KernelOf,
  padded,
  paddedSteps,
  shareLoop,
  withLoop,
} from "./frame.ts";
import type { Code } from "./instructions.ts";

/** A body evaluated for each index of its loops, one of which may be shared among threads. */
export function emitBody(
  { domain, steps, stores }: Pick<KernelOf<"map">, "domain" | "steps" | "stores">,
  frame: Frame,
  share: Share | undefined,
): Code {
  const rank = domain.length;
  const nest = nestOf(domain, paddedSteps(steps, rank));
  return emitNest({ ...frame, ...nest, share }, {
    inner: (cursor) =>
      stores.map(({ buffer, at: to, value }) =>
        cursor.store(buffer, padded(to, rank), dtypeOf(frame, buffer), cursor.value(value))
      ),
  });
}

/** Evaluates the body for each index of the domain, and stores its values. */
export const map: CodeEmitter<"map"> = (kernel, frame) => {
  const domain = withLoop(kernel.domain);
  return emitBody({ ...kernel, domain }, frame, shareLoop(frame, domain));
};
