/**
 * The native backend for tests. Without a compiler of C they are skipped, with a word on what is
 * missing, unless `CI` is set: there a compiler is installed, and its absence is a failure.
 */
import { native, type NativeDevice, NativeUnavailableError } from "@unitune/core/native";
import { addRuntime, makeCache } from "./runtime.ts";

/** The folder for what tests compile. */
const cache = makeCache();

function open(): NativeDevice | undefined {
  try {
    addRuntime(cache);
    return native({ cache });
  } catch (error) {
    if (Deno.env.has("CI") || !(error instanceof NativeUnavailableError)) throw error;
    console.warn(`tests of the native backend are skipped: ${error.message}`);
    return undefined;
  }
}

const device = open();

Deno.test.afterAll(() => {
  device?.[Symbol.dispose]();
  Deno.removeSync(cache, { recursive: true });
});

/** A test that needs a compiler. */
export function testOnNative(
  name: string,
  test: (device: NativeDevice, cache: string) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: device === undefined,
    async fn() {
      if (device !== undefined) await test(device, cache);
    },
  });
}
