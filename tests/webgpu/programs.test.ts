/** Programs on WebGPU: one submit a run, memory that stays flat, errors that say what failed. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  add,
  compile,
  dynamicUpdate,
  evaluate,
  key,
  matmul,
  mul,
  normal,
  randomBits,
  sum,
  type Tensor,
  tensor,
  webgpu,
  type WebGpuStatistics,
  zeros,
} from "@unitune/core";
// Not public: a program never emits WGSL that does not compile.
import { makePipelines } from "../../core/backends/webgpu/pipelines.ts";
import { testOnWebGpu } from "./adapter.ts";

type State = { readonly w: Tensor; readonly bias: Tensor; readonly step: Tensor };

/** A step that replaces a donated state and gives a small result, as training does. */
const update = ({ w, bias, step }: State, x: Tensor) => {
  const y = add(matmul(x, w), bias);
  return {
    state: { w: mul(w, 0.999), bias: add(bias, 0.5), step: add(step, 1) },
    loss: sum(y),
  };
};

function initialState(): State {
  return {
    w: zeros([64, 32]),
    bias: zeros([32]),
    step: tensor(0, { dtype: "i32" }),
  };
}

testOnWebGpu("a run is one submit, and a batch of reads another", async (device) => {
  using step = compile(update, { device, donate: [0] });
  const x = tensor(new Float32Array(128), { shape: [2, 64] });
  let state = evaluate(initialState(), device);
  const losses: Tensor[] = [];
  const { submits } = device.statistics();
  for (let i = 0; i < 10; i++) {
    const result = step(state, x);
    state = result.state;
    losses.push(result.loss);
  }
  assertEquals(device.statistics().submits - submits, 10);
  await Promise.all([...losses, state.step].map((loss) => loss.data()));
  assertEquals(device.statistics().submits - submits, 11);
  assertEquals(await state.step.item(), 10);
});

testOnWebGpu("memory stays flat over ten thousand steps", async () => {
  using own = await webgpu();
  using step = compile(update, { device: own, donate: [0] });
  const x = tensor(new Float32Array(128), { shape: [2, 64] });
  let state = evaluate(initialState(), own);
  const losses: Tensor[] = [];
  const looks: WebGpuStatistics[] = [];
  for (let done = 1; done <= 10_000; done++) {
    const result = step(state, x);
    state = result.state;
    losses.push(result.loss);
    if (losses.length < 500) continue;
    // A reading now and then, as a training that logs does.
    await Promise.all(losses.map((loss) => loss.item()));
    for (const loss of losses.splice(0)) loss[Symbol.dispose]();
    looks.push(own.statistics());
  }
  assertEquals(looks.length, 20);
  // The first thousand losses fill the buffers that small results share.
  const [, , settled, ...later] = looks;
  for (const { buffers, bytes, keptBytes } of later) {
    assertEquals([buffers, bytes, keptBytes], [
      settled?.buffers,
      settled?.bytes,
      settled?.keptBytes,
    ]);
  }
  assertEquals(await state.step.item(), 10_000);
});

testOnWebGpu("results that nobody disposes of share few buffers", async (device) => {
  using double = compile((x: Tensor) => mul(x, 2), { device });
  const before = device.statistics().buffers;
  const results = Array.from({ length: 1000 }, (_, i) => double(tensor([i])));
  assert(device.statistics().buffers - before <= 8);
  assertEquals(await results[999]?.item(), 1998);
});

testOnWebGpu("a hundred programs that are disposed of leave nothing", async () => {
  using own = await webgpu();
  const make = async (size: number) => {
    using program = compile((x: Tensor) => [sum(mul(x, x)), matmul(x, x)], { device: own });
    const x = tensor(new Float32Array(size * size), { shape: [size, size] });
    const [total, product] = program(x);
    assertEquals(await total?.item(), 0);
    total?.[Symbol.dispose]();
    product?.[Symbol.dispose]();
  };
  for (let i = 0; i < 100; i++) await make(1 + i % 5);
  // What is not kept for reuse is the one buffer that small results share.
  const { bytes, keptBytes } = own.statistics();
  assertEquals(bytes - keptBytes, 2 ** 16);
  // As many are kept as were in use at once: a program's, its slot, its results, a readback.
  assert(own.statistics().buffers <= 25, `${own.statistics().buffers} buffers are left`);
});

testOnWebGpu("two programs live side by side", async (device) => {
  using a = compile((x: Tensor) => add(mul(x, x), 1), { device });
  using b = compile((x: Tensor) => sum(mul(x, 3)), { device });
  const x = tensor([1, 2, 3]);
  const first = a(x);
  const second = b(first);
  const third = a(first);
  assertEquals(await second.item(), 51);
  assertEquals(await third.data(), new Float32Array([5, 26, 101]));
  assertEquals(await first.data(), new Float32Array([2, 5, 10]));
});

testOnWebGpu("programs of many shapes compute in the memory of the largest", async (device) => {
  using program = compile((x: Tensor) => sum(matmul(matmul(x, x), x)), { device });
  const inputs = [64, 256, 16, 128].map((n) =>
    evaluate(tensor(new Float32Array(n * n).fill(1 / n), { shape: [n, n] }), device)
  );
  const used = () => device.statistics().bytes - device.statistics().keptBytes;
  // Each element of the product is 1 / n.
  const resultOf = async (x: Tensor) => Math.round(await program(x).item());
  const taken: number[] = [];
  const results: number[] = [];
  for (const x of [...inputs, ...inputs]) {
    results.push(await resultOf(x));
    taken.push(used());
  }
  assertEquals(results, [64, 256, 16, 128, 64, 256, 16, 128]);
  assert((taken[1] ?? NaN) > (taken[0] ?? NaN), `${taken}`);
  // A buffer of small results, of 64 KiB, may be added; arenas of their own would take 160 KiB.
  const [, largest = NaN, ...others] = taken;
  assert(others.every((bytes) => bytes - largest < 2 ** 17), `${taken}`);
});

testOnWebGpu("what is read before its storage is written over is what it was", async (device) => {
  using step = compile((x: Tensor) => add(x, 1), { device, donate: [0] });
  const first = step(evaluate(tensor(new Float32Array(2000).fill(1)), device));
  const reading = first.data();
  const second = step(first);
  assertEquals((await reading)[0], 2);
  assertEquals((await second.data())[0], 3);
});

testOnWebGpu("a result of a shared buffer can be donated", async (device) => {
  using both = compile((x: Tensor) => [add(x, 1), add(x, 2)], { device });
  using next = compile((x: Tensor) => mul(x, 2), { device, donate: [0] });
  const [a, b] = both(tensor([1, 2, 3]));
  assert(a !== undefined && b !== undefined);
  assertEquals(await next(a).data(), new Float32Array([4, 6, 8]));
  assertEquals(await b.data(), new Float32Array([3, 4, 5]));
});

testOnWebGpu("a cache is updated in place", async (device) => {
  const write = (cache: Tensor, column: Tensor) =>
    dynamicUpdate(cache, 1, column, add(zeros([2, 1, 8]), column.dtype === "i32" ? 1 : 0));
  using step = compile(write, { device, donate: [0] });
  let cache = evaluate(zeros([2, 6, 8]), device);
  for (const column of [4, 1]) cache = step(cache, tensor(column, { dtype: "i32" }));
  const expected = Array.from(
    { length: 96 },
    (_, i) => [1, 4].includes(Math.floor(i / 8) % 6) ? 1 : 0,
  );
  assertEquals([...await cache.data()], expected);
  assertEquals(step.statistics()[0]?.kernels, 2);
});

testOnWebGpu("random bits are those of the CPU", async (...devices) => {
  const bits = await randomBits(key(7), [1001]).data();
  for (const device of devices) {
    using program = compile((key: Tensor) => [randomBits(key, [1001]), normal(key, [400])], {
      device,
    });
    const [own, draws] = program(key(7));
    assertEquals(await own?.data(), bits);
    const mean = [...await draws?.data() ?? []].reduce((total, x) => total + x / 400, 0);
    assert(Math.abs(mean) < 0.2, `the mean of 400 draws is ${mean}`);
  }
});

testOnWebGpu("a shader that does not compile is named", async () => {
  const adapter = await navigator.gpu.requestAdapter();
  const device = await adapter?.requestDevice();
  assert(device !== undefined);
  const found: Promise<string | undefined>[] = [];
  const pipelines = makePipelines(device, (error, what) => {
    found.push(error.then((error) => error === null ? undefined : what));
  });
  const source = "fn main() { nonsense }";
  pipelines.acquire({ source, bindings: [], grid: [1, 1] }, "map [3]");
  assertEquals(await Promise.all(found), ["kernel map [3] does not compile"]);
  device.destroy();
});

testOnWebGpu("too large a tensor is refused before anything is allocated", (device) => {
  const before = device.statistics();
  using program = compile((x: Tensor) => add(x, zeros([2 ** 20 + 1, 2 ** 11])), { device });
  assertThrows(
    () => program(tensor([[1]])),
    RangeError,
    "a tensor has 2147485696 elements, and shaders count up to 2147483648: use smaller batches",
  );
  assertEquals(device.statistics(), before);
  return Promise.resolve();
});

testOnWebGpu("a device that was disposed of says so", async () => {
  const own = await webgpu();
  const double = compile((x: Tensor) => mul(x, 2), { device: own });
  const result = double(tensor(new Float32Array(3000)));
  own[Symbol.dispose]();
  await assertRejects(() => result.data(), Error, "the WebGPU device failed: it was disposed of");
  assertThrows(() => double(tensor(new Float32Array(3000))), Error, "disposed of");
});

testOnWebGpu("a profile names the kernels", async (device) => {
  using program = compile((a: Tensor) => sum(matmul(a, a)), { device });
  const a = tensor(new Float32Array(1024), { shape: [32, 32] });
  const start = performance.now();
  const profile = await device.profile(() => program(a));
  const elapsed = performance.now() - start;
  assertEquals(profile !== undefined, device.features.includes("timestamps"));
  if (profile === undefined) return;
  const kernels = profile.map(({ kernel }) => kernel).toSorted();
  assertEquals(kernels, ["matmul [32,32] x [32,32]", "sum [] over [1024]"]);
  const times = profile.map(({ milliseconds }) => milliseconds);
  for (const { count } of profile) assertEquals(count, 1);
  // Each is a part of the run, which was waited for; the longest comes first.
  for (const time of times) assert(time >= 0 && time <= elapsed, `${time} ms of ${elapsed}`);
  assert((times[0] ?? 0) > 0);
  assertEquals(times, times.toSorted((a, b) => b - a));
});

testOnWebGpu("programs share compiled kernels, which go with the last of them", async () => {
  using own = await webgpu();
  const { createComputePipeline, createBindGroupLayout } = GPUDevice.prototype;
  const made = { pipelines: 0, layouts: 0 };
  GPUDevice.prototype.createComputePipeline = function (descriptor) {
    made.pipelines++;
    return createComputePipeline.call(this, descriptor);
  };
  GPUDevice.prototype.createBindGroupLayout = function (descriptor) {
    made.layouts++;
    return createBindGroupLayout.call(this, descriptor);
  };
  const double = () => {
    const program = compile((x: Tensor) => mul(x, 2), { device: own });
    program(tensor(new Float32Array(3000)));
    return program;
  };
  try {
    const [first, second] = [double(), double()];
    assertEquals(made, { pipelines: 1, layouts: 1 });
    first[Symbol.dispose]();
    double()[Symbol.dispose]();
    assertEquals(made, { pipelines: 1, layouts: 1 });
    second[Symbol.dispose]();
    double()[Symbol.dispose]();
    // What is bound in the same way has the same layout for good.
    assertEquals(made, { pipelines: 2, layouts: 1 });
  } finally {
    Object.assign(GPUDevice.prototype, { createComputePipeline, createBindGroupLayout });
  }
});

testOnWebGpu(
  "storage that comes back is bound as it was, of the eight patterns last seen",
  async () => {
    using own = await webgpu();
    using total = compile((x: Tensor) => sum(x), { device: own });
    const inputs = Array.from(
      { length: 9 },
      (_, i) => evaluate(add(tensor(new Float32Array(3000)), i + 1), own),
    );
    const { createBindGroup } = GPUDevice.prototype;
    let made = 0;
    GPUDevice.prototype.createBindGroup = function (descriptor) {
      made++;
      return createBindGroup.call(this, descriptor);
    };
    /** The bind groups that are made for sums of some inputs. */
    const madeFor = (count: number) => {
      made = 0;
      for (const input of inputs.slice(0, count)) total(input);
      return made;
    };
    try {
      const one = madeFor(1);
      assert(one > 0);
      assertEquals([8, 8, 8].map(madeFor), [7 * one, 0, 0]);
      // Nine in turn: each has been forgotten when it comes back.
      assertEquals([9, 9].map(madeFor), [one, 9 * one]);
    } finally {
      GPUDevice.prototype.createBindGroup = createBindGroup;
    }
  },
);
