/**
 * Runs a loop of steps that awaits nothing but a result, as a short training does, and prints how many
 * bytes of the heap a step leaves behind. For `deno run --v8-flags=--expose-gc`.
 */
import { add, compile, evaluate, sum, type Tensor, tensor, wasm } from "@unitune/core";

const LEAVES = 50;

/** Bytes of the heap that are in use after everything unreachable is gone. */
function usedBytes(): number {
  const gc: unknown = Reflect.get(globalThis, "gc");
  if (typeof gc !== "function") throw new Error("run with --v8-flags=--expose-gc");
  gc();
  return Deno.memoryUsage().heapUsed;
}

using device = wasm({ threads: 1 });
using step = compile((state: readonly Tensor[]) => {
  const [first] = state;
  return { state: state.map((leaf) => add(leaf, 1)), loss: first && sum(first) };
}, { device, donate: [0] });
// Larger than what is copied to the host.
const leaf = () => tensor(new Float32Array(2048));
let state: readonly Tensor[] = evaluate(Array.from({ length: LEAVES }, leaf), device);

async function run(steps: number): Promise<void> {
  for (let i = 0; i < steps; i++) {
    const result = step(state);
    state = result.state;
    await result.loss?.item();
  }
}

// The engine compiles what runs often, which takes memory too.
await run(1000);
const before = usedBytes();
await run(1000);
console.log((usedBytes() - before) / 1000);
