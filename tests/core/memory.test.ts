import { assert, assertEquals } from "@std/assert";
import {
  add,
  compile,
  evaluate,
  graphOf,
  key,
  leavesOf,
  matmul,
  mean,
  mul,
  normal,
  sub,
  type Tensor,
  wasm,
  type WasmDevice,
} from "@unitune/core";
import { adamw } from "@unitune/autodiff";
import { gpt } from "@unitune/models";
import { initTrainingState, sft, trainingStep } from "@unitune/objectives";
import { scratchBytes } from "../../core/backends/wasm/program.ts";
import { lower } from "../../core/lowering/lower.ts";
import { trainingBatches } from "../../bench/workloads.ts";

const usedBytes = (device: WasmDevice): number => {
  const { bytes, keptBytes } = device.statistics();
  return bytes - keptBytes;
};

/** Bytes of tensors, each in whole cache lines, as storage is handed out. */
const alignedBytes = (tree: unknown): number =>
  leavesOf(tree).reduce((total, { shape }) => {
    const bytes = 4 * shape.reduce((a, b) => a * b, 1);
    return total + Math.max(1, Math.ceil(bytes / 64)) * 64;
  }, 0);

/** Whether a result is copied to the host after a run. */
const isSmall = ({ shape }: Tensor): boolean => 4 * shape.reduce((a, b) => a * b, 1) <= 4096;

Deno.test("memory: a program takes its planned arena and gives it back", () => {
  using device = wasm({ threads: 1 });
  const f = (x: Tensor) => {
    const y = matmul(x, x);
    return mean(mul(sub(matmul(y, y), 1), add(y, x)));
  };
  const x = evaluate(normal(key(0), [64, 64]), device);
  using program = compile(f, { device });
  const before = usedBytes(device);
  const result = program(x);
  const [statistics] = program.statistics();
  assert(statistics !== undefined);
  const taken = usedBytes(device) - before;
  assert(taken >= statistics.arenaBytes, `${taken} of ${statistics.arenaBytes}`);
  assertEquals(result.shape, []);
  program[Symbol.dispose]();
  assertEquals(usedBytes(device), before);
});

Deno.test("memory: a program on threads gives its code back, also that which tells times", async () => {
  using device = wasm({ threads: 2 });
  const x = evaluate(normal(key(0), [256, 256]), device);
  const before = usedBytes(device);
  const program = compile((x: Tensor) => mean(matmul(matmul(x, x), x)), { device });
  program(x);
  const [statistics] = program.statistics();
  assert(statistics !== undefined);
  const { arenaBytes, codeBytes } = statistics;
  const taken = usedBytes(device) - before;
  // Workers read the code from the memory that they share.
  assert(taken >= arenaBytes + codeBytes, `${taken} of ${arenaBytes} and ${codeBytes}`);
  await device.profile(() => program(x));
  assert(usedBytes(device) - before >= taken + codeBytes);
  program[Symbol.dispose]();
  assertEquals(usedBytes(device), before);
});

for (const threads of [1, 2]) {
  Deno.test(`memory: a training step on ${threads} threads takes what is planned, and no more later`, async () => {
    using device = wasm({ threads });
    const workload = {
      config: { vocabulary: 32, context: 16, layers: 2, heads: 2, width: 32, dropout: 0 },
      batch: 8,
    };
    const policy = gpt(workload.config);
    const optimizer = adamw(1e-3);
    const f = trainingStep({ policy, objective: sft(), optimizer });
    using step = compile(f, { device, donate: [0] });
    const batches = trainingBatches(workload, 3);
    const [batch] = batches;
    assert(batch !== undefined);
    let state = evaluate(initTrainingState(policy.init(key(0)), optimizer, key(1)), device);
    const before = usedBytes(device);

    const first = step(state, batch);
    state = first.state;
    const taken = usedBytes(device) - before;
    const [statistics] = step.statistics();
    assert(statistics !== undefined);
    const { arenaBytes, codeBytes } = statistics;
    // Beside the arena: packed panels for each thread, copies of operands on the host and of small
    // results, an address for each operand and result, and, for the workers to load, the code.
    const scratch = threads * scratchBytes(lower(graphOf(f, [state, batch])));
    const tensors = leavesOf([state, batch, first]);
    const table = Math.ceil(8 * tensors.length / 64) * 64;
    const operands = alignedBytes(batch);
    // The results are metrics, and the state in the storage of the one before; of that, what is
    // small was on the host.
    const results = alignedBytes(first.metrics) +
      alignedBytes(leavesOf(first.state).filter(isSmall));
    const code = threads === 1 ? 0 : Math.ceil(codeBytes / 64) * 64;
    const planned = arenaBytes + scratch + table + operands + results + code;
    assert(taken >= arenaBytes && taken <= planned, `${taken} of ${planned}, arena ${arenaBytes}`);

    for (let i = 0; i < 20; i++) {
      state = step(state, batches[i % batches.length] ?? batch).state;
      assertEquals(usedBytes(device) - before, taken);
    }
    await state.step.data();
  });
}

Deno.test("memory: a donated tensor leaves nothing behind, even in a loop that never pauses", async () => {
  const file = new URL("./donated_loop.ts", import.meta.url).href;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--v8-flags=--expose-gc", file],
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assertEquals(code, 0, decode(stderr));
  // A step donates 50 tensors and gives a loss, each of which would leave 300 bytes. What else the
  // engine takes over the steps, for code above all, was 0 to 15 bytes a step.
  const bytes = Number(decode(stdout));
  assert(bytes < 100, `a step leaves ${bytes} bytes`);
});
