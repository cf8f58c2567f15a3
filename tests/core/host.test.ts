/** The host half of a device, over storage that counts what is held and code that computes nothing. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  add,
  compile,
  type Device,
  evaluate,
  type Graph,
  graphOf,
  neg,
  type Operand,
  reference,
  type Tensor,
  tensor,
  zeros,
} from "@unitune/core";
import { type Backend, makeHost, type RunStorage } from "@unitune/core/backend";

/** Storage, by its number. */
interface Storage {
  readonly id: number;
  readonly bytes: number;
  readonly isPart: boolean;
}

/** A backend that notes what it is told; its programs run `onRun`, and leave storage as it is. */
function noting(onRun: (run: RunStorage<Storage>) => void = () => {}) {
  const held = new Map<number, string>();
  const written = new Map<number, number[]>();
  let made = 0;
  const backend: Backend<Storage> = {
    name: "noting",
    allocate(bytes, what) {
      held.set(made, what);
      return { id: made++, bytes, isPart: false };
    },
    free({ id }) {
      assert(held.delete(id), `storage ${id} was given back twice`);
    },
    write: ({ id }, data) => void written.set(id, [...data]),
    read: ({ id }) => Promise.resolve(Float32Array.from(written.get(id) ?? [])),
    isPart: ({ isPart }) => isPart,
    emit: (lowered, { small }) => ({
      kernels: lowered.kernels.length,
      codeBytes: 7,
      threads: 3,
      run(run) {
        onRun(run);
        return small.map(({ size }) => {
          const storage = { id: made, bytes: 4 * size, isPart: true };
          held.set(made++, "a small result");
          return { kind: "storage", storage };
        });
      },
      dispose: () => {},
    }),
  };
  return { host: makeHost(backend), held, written };
}

/** Elements of which results are not small. */
const LARGE = 2000;

const host = (elements: number[]): Operand => ({
  kind: "host",
  data: Float32Array.from({ length: LARGE }, (_, i) => elements[i] ?? 0),
});

/** `x + y`, of large vectors. */
const sumOfTwo: Graph = graphOf(add, [zeros([LARGE]), zeros([LARGE])]);

Deno.test("host: operands from the host are copied to one slot each, and the program frees both", () => {
  const runs: RunStorage<Storage>[] = [];
  const { host: device, held, written } = noting((run) => runs.push(run));
  const program = device.compile(sumOfTwo, { donated: [] });
  const [first] = program.run([host([1]), host([2])]);
  const [second] = program.run([host([3]), host([4])]);
  const [before, after] = runs;
  assertEquals(before?.operands, after?.operands);
  assertEquals(after?.operands.map(({ id }) => written.get(id)?.[0]), [3, 4]);
  assertEquals([...held.values()], ["operand 0", "operand 1", "result 0", "result 0"]);
  program.dispose();
  // Results outlive the program.
  assertEquals([...held.values()], ["result 0", "result 0"]);
  for (const result of [first, second, second]) result?.dispose();
  assertEquals([...held.values()], []);
});

Deno.test("host: the storage of a large operand from the host is given back after the run", () => {
  const held = (size: number) => {
    const { host: device, held } = noting();
    const program = device.compile(graphOf(neg, [zeros([size])]), { donated: [] });
    program.run([{ kind: "host", data: new Float32Array(size) }]);
    return [...held.values()];
  };
  const kept = 2 ** 18;
  assertEquals(held(kept), ["operand 0", "result 0"]);
  assertEquals(held(kept + 1), ["result 0"]);
});

Deno.test("host: a result takes the storage of a donated operand", async () => {
  const runs: RunStorage<Storage>[] = [];
  const { host: device, held } = noting((run) => runs.push(run));
  const program = device.compile(sumOfTwo, { donated: [0, 1] });
  const [x, y] = [1, 2].map((value) => device.upload(new Float32Array(LARGE).fill(value), "f32"));
  assert(x !== undefined && y !== undefined);
  const [result] = program.run([x, y].map((buffer) => ({ kind: "buffer", buffer })));
  assertEquals(runs[0]?.allocated, []);
  // One is the result's, the other was given back.
  assertEquals([...held.keys()], [0]);
  assertEquals((await result?.read())?.[0], 1);
  await assertRejects(() => x.read(), Error, "disposed of");
  await assertRejects(() => y.read(), Error, "disposed of");
  // What is consumed is not given back again.
  x.dispose();
  assertEquals(held.size, 1);
  result?.dispose();
  assertEquals(held.size, 0);
});

Deno.test("host: a donated operand from the host gets storage that the result takes", () => {
  const { host: device, held } = noting();
  const program = device.compile(sumOfTwo, { donated: [0] });
  const results = [1, 2].flatMap((value) => program.run([host([value]), host([])]));
  assertEquals([...held.values()], ["operand 0", "operand 1", "operand 0"]);
  program.dispose();
  assertEquals([...held.values()], ["operand 0", "operand 0"]);
  for (const result of results) result.dispose();
  assertEquals(held.size, 0);
});

Deno.test("host: a part of shared storage is moved before a result takes it", () => {
  const runs: RunStorage<Storage>[] = [];
  const { host: device, held } = noting((run) => runs.push(run));
  const vector = zeros([3]);
  const make = device.compile(graphOf((x: Tensor) => [add(x, 1)], [vector]), { donated: [] });
  const next = device.compile(graphOf((x: Tensor) => [add(x, 1)], [vector]), { donated: [0] });
  const [small] = make.run([{ kind: "host", data: new Float32Array(3) }]);
  assert(small !== undefined);
  const [result] = next.run([{ kind: "buffer", buffer: small }]);
  const [move, ...others] = runs[1]?.moves ?? [];
  assertEquals([move?.from.isPart, move?.to.isPart, move?.bytes], [true, false, 64]);
  assertEquals(others, []);
  assert(move !== undefined);
  assertEquals(runs[1]?.operands, [move.to]);
  make.dispose();
  // The part was given back; the result has the storage that it was moved to.
  assertEquals([...held.keys()], [move.to.id]);
  result?.dispose();
  assertEquals(held.size, 0);
});

Deno.test("host: a run that fails consumes nothing and leaves nothing", async () => {
  const { host: device, held } = noting(() => {
    throw new Error("the device is gone");
  });
  const program = device.compile(sumOfTwo, { donated: [0] });
  const x = device.upload(new Float32Array(LARGE).fill(5), "f32");
  const operands: Operand[] = [{ kind: "buffer", buffer: x }, host([])];
  assertThrows(() => program.run(operands), Error, "the device is gone");
  assertThrows(() => program.run([host([]), host([])]), Error, "the device is gone");
  assertEquals([...held.values()], ["a tensor", "operand 1"]);
  assertEquals((await x.read())[0], 5);
});

Deno.test("host: what no program can be run on is refused", () => {
  const { host: device } = noting();
  const program = device.compile(sumOfTwo, { donated: [] });
  const foreign = reference().upload(new Float32Array(LARGE), "f32");
  const integers = device.upload(new Int32Array(LARGE), "i32");
  const short = device.upload(new Float32Array(3), "f32");
  const gone = device.upload(new Float32Array(LARGE), "f32");
  gone.dispose();
  const run = (operand: Operand) => () => program.run([operand, host([])]);
  assertThrows(run({ kind: "buffer", buffer: foreign }), Error, "another device's");
  assertThrows(run({ kind: "buffer", buffer: gone }), Error, "disposed of");
  assertThrows(
    run({ kind: "buffer", buffer: integers }),
    TypeError,
    "operand 0 is i32, the program expects f32",
  );
  const message = "operand 0 has 3 elements, the program expects 2000";
  assertThrows(run({ kind: "buffer", buffer: short }), RangeError, message);
  assertThrows(run({ kind: "host", data: new Float32Array(3) }), RangeError, message);
  assertThrows(() => program.run([host([])]), RangeError, "operand 1 is missing");
  assertThrows(
    () => device.compile(graphOf(add, [zeros([2], "f64"), zeros([2], "f64")]), { donated: [] }),
    TypeError,
    "the noting backend computes in f32, and input gives f64[2]",
  );
});

Deno.test("host: statistics are the plan's and the code's", () => {
  const { host: device } = noting();
  const { statistics } = device.compile(sumOfTwo, { donated: [] });
  const { kernels, arenaBytes, unplannedBytes, codeBytes, threads } = statistics;
  assertEquals([kernels, arenaBytes, unplannedBytes, codeBytes, threads], [1, 0, 0, 7, 3]);
});

Deno.test("host: a tensor that is donated twice gives its storage back", () => {
  const { host, held } = noting();
  const device: Device = {
    ...host,
    profile: () => Promise.resolve(undefined),
    [Symbol.dispose]: () => {},
  };
  using sum = compile(add, { device, donate: [0, 1] });
  const x = evaluate(add(tensor(new Float32Array(LARGE)), 1), device);
  const before = held.size;
  const result = sum(x, x);
  // The result took none of the operands' storage, since the other operand is read there.
  assertEquals(held.size, before);
  result[Symbol.dispose]();
  assertEquals(held.size, before - 1);
  assertThrows(() => sum(x, x), Error, "donated");
});
