import {
  assert,
  assertEquals,
  assertLess,
  assertLessOrEqual,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  add,
  apply,
  cast,
  compile,
  type Device,
  evaluate,
  exp,
  full,
  graphOf,
  iota,
  key,
  matmul,
  mul,
  normal,
  reference,
  reshape,
  slice,
  softmax,
  sub,
  sum,
  type Tensor,
  tensor,
  transposeLast,
  wasm,
  zeros,
} from "@unitune/core";

/** A device that counts. */
function counting(device: Device): { readonly device: Device; readonly counts: Counts } {
  const counts: Counts = { programs: 0, runs: 0, disposed: 0 };
  return {
    counts,
    device: {
      ...device,
      compile(graph, options) {
        counts.programs++;
        const program = device.compile(graph, options);
        return {
          ...program,
          run(operands) {
            counts.runs++;
            return program.run(operands);
          },
          dispose() {
            counts.disposed++;
            program.dispose();
          },
        };
      },
    },
  };
}

interface Counts {
  programs: number;
  runs: number;
  disposed: number;
}

/** A function that counts how often it is traced. */
function traced<A extends readonly unknown[], R>(f: (...args: A) => R): {
  readonly f: (...args: A) => R;
  readonly count: () => number;
} {
  let calls = 0;
  return {
    count: () => calls,
    f: (...args) => {
      calls++;
      return f(...args);
    },
  };
}

/** Numbers large enough to be kept in a device's memory between calls. */
function large(size = 5000): Tensor {
  return evaluate(cast(iota([size], 0), "f32"));
}

// Signatures

Deno.test("a function is traced once for each tree, shape and dtype", async () => {
  const { f, count } = traced((x: Tensor | { readonly x: Tensor }) =>
    "x" in x ? add(x.x, 1) : add(x, 1)
  );
  const compiled = compile(f);
  const signatures = [
    tensor([1, 2]),
    tensor([1, 2, 3]),
    tensor([[1, 2]]),
    tensor([1, 2], { dtype: "i32" }),
    { x: tensor([1, 2]) },
  ];
  for (const _ of [1, 2, 3]) for (const signature of signatures) compiled(signature);
  assertEquals(count(), signatures.length);
  assertEquals(compiled.statistics().length, signatures.length);
  assertEquals(await compiled(tensor([5, 6])).data(), new Float32Array([6, 7]));
});

Deno.test("the order in which a record's entries were written is no part of the signature", () => {
  const { f, count } = traced(({ a, b }: { a: Tensor; b: Tensor }) => sub(a, b));
  const compiled = compile(f);
  compiled({ a: tensor([1]), b: tensor([2]) });
  compiled({ b: tensor([2]), a: tensor([1]) });
  assertEquals(count(), 1);
});

Deno.test("static arguments are part of the signature, and constants in the program", async () => {
  const { f, count } = traced((
    x: Tensor,
    options: { readonly power: number; readonly name?: string; readonly shift?: boolean },
  ) => {
    let y = x;
    for (let i = 1; i < options.power; i++) y = mul(y, x);
    return options.shift === true ? add(y, 1) : y;
  });
  const compiled = compile(f);
  const x = tensor([2, 3]);
  for (const _ of [1, 2]) {
    assertEquals(await compiled(x, { power: 2 }).data(), new Float32Array([4, 9]));
    assertEquals(await compiled(x, { power: 3 }).data(), new Float32Array([8, 27]));
    assertEquals(await compiled(x, { power: 3, shift: true }).data(), new Float32Array([9, 28]));
    assertEquals(await compiled(x, { power: 3, name: "3" }).data(), new Float32Array([8, 27]));
  }
  assertEquals(count(), 4);
});

Deno.test("the number 1, the text 1 and truth are different static arguments", () => {
  const { f, count } = traced((x: Tensor, _: unknown) => add(x, 1));
  const compiled = compile(f);
  for (const value of [1, "1", true, "true", null, undefined, 1n]) compiled(tensor([1]), value);
  assertEquals(count(), 7);
});

Deno.test("what cannot be compared is refused as an argument, by its path", () => {
  const compiled = compile((x: Tensor, _: unknown) => add(x, 1));
  assertThrows(
    () => compiled(tensor([1]), { options: [Math.max] }),
    TypeError,
    "[1].options[0] is [object Function]",
  );
  assertThrows(() => compiled(tensor([1]), new Map()), TypeError, "[1] is [object Map]");
});

Deno.test("a function that throws is traced anew", async () => {
  let fails = true;
  const compiled = compile((x: Tensor) => {
    if (fails) throw new RangeError("not yet");
    return add(x, 1);
  });
  assertThrows(() => compiled(tensor([1, 2])), RangeError, "not yet");
  fails = false;
  assertEquals(await compiled(tensor([1, 2])).data(), new Float32Array([2, 3]));
});

// Inlining

Deno.test("a compiled function within another is traced into it, and runs no program", async () => {
  const { device, counts } = counting(wasm());
  const inner = traced((x: Tensor) => exp(x));
  const compiledInner = compile(inner.f, { device });
  const outer = compile((x: Tensor) => sum(compiledInner(compiledInner(x))), { device });
  for (const _ of [1, 2]) assertEquals(await outer(tensor([-Infinity, -Infinity])).item(), 2);
  assertEquals(inner.count(), 2);
  assertEquals(counts, { programs: 1, runs: 2, disposed: 0 });
});

// Captured tensors

Deno.test("tensors from outside are constants, be they numbers, elements or expressions", async () => {
  const one = tensor(1);
  const elements = tensor([10, 20]);
  const evaluated = evaluate(add(tensor([100, 200]), 0));
  const expression = add(elements, evaluated);
  const compiled = compile((x: Tensor) => add(add(mul(x, one), elements), expression));
  for (const x of [[1, 2], [3, 4]]) {
    const [a = NaN, b = NaN] = x;
    assertEquals(await compiled(tensor(x)).data(), new Float32Array([a + 120, b + 240]));
  }
});

Deno.test("a captured tensor that is disposed of is missed by name", () => {
  const scale = evaluate(add(tensor([1, 2]), 1));
  const compiled = compile((x: Tensor) => mul(x, scale));
  compiled(tensor([1, 2]));
  scale[Symbol.dispose]();
  assertThrows(() => compiled(tensor([1, 2])), Error, "shape [2] cannot be read: it was disposed");
});

// Results

Deno.test("results may be arguments, the same twice, views, constants and static values", async () => {
  const constant = tensor([7, 8]);
  const f = compile((x: Tensor, y: Tensor) => {
    const product = mul(x, y);
    return {
      argument: x,
      same: [product, product],
      view: transposeLast(reshape(product, [1, 2])),
      part: slice(x, 0, 1),
      constant,
      filled: full([2], 3),
      name: "static",
      nothing: null,
    };
  });
  const [x, y] = [tensor([1, 2]), tensor([3, 4])];
  for (const _ of [1, 2]) {
    const result = f(x, y);
    const { argument, same: [first, second], view, part, filled, name, nothing } = result;
    assert(argument.cell !== x.cell);
    assertEquals(await argument.data(), new Float32Array([1, 2]));
    assertEquals(await first?.data(), new Float32Array([3, 8]));
    first?.[Symbol.dispose]();
    assertEquals(await second?.data(), new Float32Array([3, 8]));
    assertEquals(view.shape, [2, 1]);
    assertEquals(await view.data(), new Float32Array([3, 8]));
    assertEquals(await part.data(), new Float32Array([2]));
    assertEquals(await result.constant.data(), new Float32Array([7, 8]));
    assertEquals(await filled.data(), new Float32Array([3, 3]));
    assertEquals([name, nothing], ["static", null]);
  }
  assertEquals(await x.data(), new Float32Array([1, 2]));
});

Deno.test("results of one call are not overwritten by the next", async () => {
  for (const size of [1, 2, 5000]) {
    const f = compile((x: Tensor) => ({ y: add(x, 1), total: sum(x) }));
    const results = [0, 1, 2].map((value) => f(evaluate(full([size], value))));
    for (const [value, { y, total }] of results.entries()) {
      assertEquals(await y.data(), new Float32Array(size).fill(value + 1));
      assertEquals(await total.item(), value * size);
    }
  }
});

Deno.test("scalars and tensors without elements pass through", async () => {
  const f = compile((x: Tensor, none: Tensor) => ({
    scalar: mul(x, 2),
    none: add(none, x),
    sums: sum(none, { axes: [0] }),
    product: matmul(transposeLast(none), none),
  }));
  const { scalar, none, sums, product } = f(tensor(3), zeros([0, 2]));
  assertEquals(await scalar.item(), 6);
  assertEquals(await none.data(), new Float32Array(0));
  assertEquals(none.shape, [0, 2]);
  assertEquals(await sums.data(), new Float32Array(2));
  assertEquals(await product.data(), new Float32Array(4));
});

// Tensors out of place

Deno.test("a tensor cannot be read while it is traced", async () => {
  let reading: Promise<unknown> | undefined;
  compile((x: Tensor) => {
    reading = add(x, 1).data();
    return x;
  })(tensor([1, 2]));
  await assertRejects(() => reading ?? Promise.resolve(), Error, "function that is being traced");
  const f = compile((x: Tensor) => {
    evaluate(mul(x, 2));
    return x;
  });
  assertThrows(() => f(tensor([1, 2])), Error, "return it instead");
});

Deno.test("a traced tensor that was kept cannot be used", async () => {
  const kept: Tensor[] = [];
  compile((x: Tensor) => {
    kept.push(x, add(x, 1));
    return x;
  })(tensor([1, 2]));
  for (const x of kept) {
    await assertRejects(() => x.data(), Error, "shape [2] cannot be read");
    await assertRejects(() => add(x, 1).data(), Error, "return it instead");
    const f = compile((y: Tensor) => add(x, y));
    assertThrows(() => f(tensor([1])), Error, "of one traced function was used in another");
  }
});

Deno.test("tensors of two devices do not mix, and the message says how to move one", async () => {
  using here = wasm();
  using there = reference();
  const x = evaluate(add(tensor([1, 2]), 1), there);
  const f = compile((x: Tensor) => add(x, 1), { device: here });
  assertThrows(() => f(x), Error, "is on reference, the program on wasm: move it with");
  assertEquals(await f(tensor(await x.data(), x)).data(), new Float32Array([3, 4]));
  const y = evaluate(add(tensor([1, 2]), 1), here);
  await assertRejects(() => add(x, y).data(), Error, "move it with");
});

Deno.test("tensors of two devices of one kind do not mix, and the message says that they are two", () => {
  using here = wasm({ threads: 1 });
  using there = wasm({ threads: 1 });
  const x = evaluate(add(tensor([1, 2]), 1), there);
  const f = compile((x: Tensor) => add(x, 1), { device: here });
  assertThrows(
    () => f(x),
    Error,
    "a tensor of shape [2] is on one wasm device, the program on another, which has a memory of its " +
      "own: move it with `tensor(await x.data(), x)`, or use one device for both",
  );
});

// Donation

Deno.test("a donated tensor cannot be read afterwards, and says why", async () => {
  const f = compile((state: { readonly w: Tensor }, x: Tensor) => ({ w: add(state.w, x) }), {
    donate: [0],
  });
  for (const w of [tensor([1, 2]), evaluate(add(tensor([1, 2]), 0)), large(2)]) {
    const x = tensor([5, 5]);
    const next = f({ w }, x);
    assertEquals(next.w.shape, [2]);
    assertEquals(await x.data(), new Float32Array([5, 5]));
    await assertRejects(() => w.data(), Error, "it was donated to a compiled function");
    assertThrows(() => f({ w }, x), Error, "it was donated to a compiled function");
  }
});

Deno.test("a state that is donated again and again stays right", async () => {
  const step = compile(
    ({ position, velocity, count }: Record<"position" | "velocity" | "count", Tensor>) => {
      const pulled = sub(velocity, mul(position, 0.01));
      return { position: add(position, mul(pulled, 0.01)), velocity: pulled, count: add(count, 1) };
    },
    { donate: [0] },
  );
  const size = 1100;
  let state = {
    position: cast(iota([size], 0), "f32"),
    velocity: zeros([size]),
    count: tensor(0, { dtype: "i32" }),
  };
  let [position, velocity] = [1, 0];
  for (let i = 0; i < 2000; i++) {
    state = step(state);
    velocity = velocity - position * 0.01;
    position = position + velocity * 0.01;
  }
  assertEquals(await state.count.item(), 2000);
  const positions = await state.position.data();
  // The step is linear, so the i-th position is i times the first; f32 rounds 2,000 steps.
  for (const i of [0, 1, 500, size - 1]) {
    const error = Math.abs((positions[i] ?? NaN) - i * position);
    assertLess(error, 1e-3 * Math.max(1, i), `position ${i}`);
  }
});

Deno.test("a donated state is updated where it is: the loop takes no more memory", () => {
  // Were the storage not reused, 300 steps of 16 MiB would pass the 4 GiB that a memory can have;
  // nothing is collected meanwhile, since the loop never waits.
  const size = 4 * 2 ** 20;
  using device = wasm();
  const step = compile((state: Tensor) => add(state, 1), { device, donate: [0] });
  let state = evaluate(zeros([size]), device);
  for (let i = 0; i < 300; i++) state = step(state);
  state[Symbol.dispose]();
});

Deno.test("donated results may trade places", async () => {
  const swap = compile((s: { a: Tensor; b: Tensor }) => ({ a: s.b, b: add(s.a, 1) }), {
    donate: [0],
  });
  let state = { a: large(), b: evaluate(full([5000], -1)) };
  for (let i = 0; i < 4; i++) state = swap(state);
  assertEquals((await state.a.data()).slice(0, 3), new Float32Array([2, 3, 4]));
  assertEquals((await state.b.data()).slice(0, 3), new Float32Array([1, 1, 1]));
});

Deno.test("a donated tensor that is needed after its result is written is not overwritten", async () => {
  // The row sums need all of x while the transposed sum is written.
  const f = compile((x: Tensor) => {
    const turned = add(transposeLast(x), 1);
    return { turned, totals: sum(mul(x, sum(turned)), { axes: [1] }) };
  }, { donate: [0] });
  const x = reshape(large(70 * 70), [70, 70]);
  const { turned, totals } = f(evaluate(add(x, 0)));
  assertEquals(await turned.data(), await add(transposeLast(x), 1).data());
  assertEquals(await totals.data(), await sum(mul(x, sum(add(x, 1))), { axes: [1] }).data());
});

Deno.test("a tensor that is donated twice, or donated and kept, is copied", async () => {
  const both = compile((s: { a: Tensor; b: Tensor }) => ({ a: add(s.a, 1), b: mul(s.b, 2) }), {
    donate: [0],
  });
  const x = large();
  const { a, b } = both({ a: x, b: x });
  assertEquals((await a.data()).slice(0, 3), new Float32Array([1, 2, 3]));
  assertEquals((await b.data()).slice(0, 3), new Float32Array([0, 2, 4]));

  const kept = compile((s: Tensor, y: Tensor) => ({ s: add(s, 1), y: mul(y, sum(add(s, 1))) }), {
    donate: [0],
  });
  const ones = evaluate(full([5000], 1));
  const { s, y } = kept(ones, ones);
  assertEquals((await s.data()).slice(0, 2), new Float32Array([2, 2]));
  assertEquals((await y.data()).slice(0, 2), new Float32Array([10000, 10000]));
  await assertRejects(() => ones.data(), Error, "it was donated");
});

Deno.test("of donated tensors only those that stand among the arguments once are written over", async () => {
  const inner = wasm({ threads: 1 });
  const donated: (readonly number[])[] = [];
  using device: Device = {
    ...inner,
    compile(graph, options) {
      donated.push(options.donated);
      return inner.compile(graph, options);
    },
  };
  const f = compile(
    (s: { a: Tensor; b: Tensor; c: Tensor }) => ({
      a: add(s.a, 1),
      b: add(s.b, 2),
      c: add(s.c, 3),
    }),
    { device, donate: [0] },
  );
  const [x, y] = [1, 5].map((element) => tensor(new Float32Array(5000).fill(element)));
  assert(x && y);
  const { b } = f({ a: x, b: y, c: x });
  assertEquals((await b.data()).slice(0, 2), new Float32Array([7, 7]));
  assertEquals(donated, [[1]]);
});

Deno.test("a call that differs in little from the one before is not taken for it", async () => {
  using inner = wasm({ threads: 1 });
  const { device, counts } = counting(inner);
  using step = compile(
    (s: { a: Tensor; b: Tensor }, y: Tensor, factor: number) => ({
      a: add(s.a, mul(y, factor)),
      b: add(s.b, mul(y, 2)),
    }),
    { device, donate: [0] },
  );
  const fresh = () => evaluate(full([5000], 1), device);
  const check = async ({ a, b }: { a: Tensor; b: Tensor }, first: number, second: number) => {
    assertEquals((await a.data()).slice(0, 1), new Float32Array([first]));
    assertEquals((await b.data()).slice(0, 1), new Float32Array([second]));
  };
  const y = fresh();
  for (let i = 0; i < 3; i++) await check(step({ a: fresh(), b: fresh() }, y, 3), 4, 3);
  assertEquals(counts.programs, 2); // One makes what is fresh.
  await check(step({ b: fresh(), a: fresh() }, y, 3), 4, 3);
  assertEquals(counts.programs, 2);
  await check(step({ a: fresh(), b: fresh() }, y, 4), 5, 3);
  assertEquals(counts.programs, 3);
  // Elements that another argument has are not written over.
  const twice = fresh();
  await check(step({ a: twice, b: twice }, y, 4), 5, 3);
  await check(step({ a: fresh(), b: fresh() }, y, 4), 5, 3);
  const kept = fresh();
  await check(step({ a: kept, b: fresh() }, kept, 4), 5, 3);
  // What is traced is inlined.
  using outer = compile(
    (a: Tensor, b: Tensor, y: Tensor) => step(step({ a, b }, y, 4), y, 4),
    { device },
  );
  await check(outer(fresh(), fresh(), y), 9, 5);
  assertEquals(step.statistics().length, 4);
});

Deno.test("iterate is a loop of calls, also of a state that has one tensor twice, or is traced", async () => {
  using inner = wasm({ threads: 1 });
  const { device, counts } = counting(inner);
  type State = { readonly a: Tensor; readonly b: Tensor; readonly n: Tensor };
  const f = (s: State, y: Tensor): State => ({
    a: add(s.b, y),
    b: add(s.a, s.n),
    n: add(s.n, 1),
  });
  using step = compile(f, { device, donate: [0] });
  const fresh = (value: number) => evaluate(full([5000], value), device);
  const state = (): State => ({ a: fresh(2), b: fresh(3), n: tensor(0) });
  const elements = async ({ a, b, n }: State) => [
    (await a.data()).slice(4998),
    (await b.data()).slice(4998),
    await n.item(),
  ];
  const y = fresh(0.5);
  for (const count of [1, 2, 5]) {
    let expected = state();
    for (let i = 0; i < count; i++) expected = step(expected, y);
    const [first, runs] = [state(), counts.runs];
    const last = step.iterate(count, first, y);
    assertEquals(counts.runs, runs + count);
    assertEquals(await elements(last), await elements(expected), `${count}`);
    await assertRejects(() => first.a.data(), Error, "it was donated");
    await assertRejects(() => first.n.data(), Error, "it was donated");

    const twice = () => {
      const one = fresh(2);
      return { a: one, b: one, n: tensor(0) };
    };
    expected = twice();
    for (let i = 0; i < count; i++) expected = step(expected, y);
    assertEquals(await elements(step.iterate(count, twice(), y)), await elements(expected));
    using outer = compile((s: State, y: Tensor) => step.iterate(count, s, y), { device });
    assertEquals(await elements(outer(twice(), y)), await elements(expected));
  }
});

Deno.test("iterate needs one donated argument, which its result is like, and a number of calls", () => {
  const x = () => tensor([1, 2]);
  const step = (x: Tensor, y: Tensor) => add(x, y);
  const one = compile(step, { donate: [0] });
  for (const count of [0, 1.5, NaN]) {
    assertThrows(() => one.iterate(count, x(), x()), RangeError, `integer from 1, not ${count}`);
  }
  for (const donate of [[], [0, 1]]) {
    assertThrows(
      () => compile(step, { donate }).iterate(2, x(), x()),
      TypeError,
      "iterate: one argument is the state that results replace",
    );
  }
  const message = "is not a tree of the donated argument's structure, shapes and types";
  const other = compile((x: Tensor) => sum(x), { donate: [0] });
  const kept = x();
  assertThrows(() => other.iterate(2, kept), TypeError, message);
  assertEquals(other.iterate(1, kept).shape, []);
  assertThrows(
    () => compile((x: Tensor) => other.iterate(2, x))(x()),
    TypeError,
    message,
  );
});

Deno.test("a run that fails amidst an iteration leaves nothing on the device", () => {
  using inner = wasm({ threads: 1 });
  let runs = 0;
  const device: Device = {
    ...inner,
    compile(graph, options) {
      const program = inner.compile(graph, options);
      return {
        ...program,
        run(operands) {
          runs += 1;
          if (runs === 3) throw new Error("the third run fails");
          return program.run(operands);
        },
      };
    },
  };
  using step = compile((x: Tensor) => add(x, 1), { device, donate: [0] });
  const used = () => inner.statistics().bytes - inner.statistics().keptBytes;
  step(tensor(new Float32Array(5000)))[Symbol.dispose]();
  const [before, first] = [used(), tensor(new Float32Array(5000))];
  assertThrows(() => step.iterate(2, first), Error, "the third run fails");
  assertEquals(used(), before);
});

Deno.test("a tensor that the function refers to cannot be donated to it", async () => {
  const x = large();
  const f = compile((s: Tensor) => add(s, sum(x)), { donate: [0] });
  assertThrows(() => f(x), Error, "donated to a compiled function that also refers to it");
  assertEquals((await x.data())[1], 1);
});

// Evaluation outside of compile

Deno.test("an expression is evaluated once, and its like runs the program there is", async () => {
  const { device, counts } = counting(wasm());
  const x = evaluate(add(tensor([1, 2]), 1), device);
  assertEquals(counts, { programs: 1, runs: 1, disposed: 0 });
  const y = exp(mul(x, 0));
  for (const _ of [1, 2, 3]) assertEquals(await y.data(), new Float32Array([1, 1]));
  assertEquals(counts, { programs: 2, runs: 2, disposed: 0 });
  assertEquals(await sub(y, 3).data(), new Float32Array([-2, -2]));
  assertEquals(counts, { programs: 3, runs: 3, disposed: 0 });
  assertEquals(await exp(mul(x, 0)).data(), new Float32Array([1, 1]));
  assertEquals(counts, { programs: 3, runs: 4, disposed: 0 });
});

Deno.test("a tree is evaluated in one program", async () => {
  const { device, counts } = counting(wasm());
  const x = tensor([1, 2]);
  const tree = { a: exp(x), b: [add(exp(x), 1), x], c: 7 };
  assertEquals(evaluate(tree, device), tree);
  assertEquals(counts.runs, 1);
  await Promise.all([tree.a, ...tree.b].map((leaf) => leaf.data()));
  assertEquals(counts.runs, 1);
});

Deno.test("programs of expressions that are not used any more are given up", () => {
  const { device, counts } = counting(reference());
  for (let size = 0; size < 300; size++) evaluate(exp(zeros([size])), device);
  assertEquals(counts.programs - counts.disposed, 256);
});

Deno.test("expressions may be deeper than the call stack", async () => {
  let x = tensor([0, 1]);
  for (let i = 0; i < 10_000; i++) x = add(x, 1);
  assertEquals(await x.data(), new Float32Array([10_000, 10_001]));
  const f = compile((x: Tensor) => {
    let y = x;
    for (let i = 0; i < 10_000; i++) y = add(y, x);
    return y;
  });
  assertEquals(await f(tensor([0, 1])).data(), new Float32Array([0, 10_001]));
});

Deno.test("an expression that uses itself twice, again and again, takes linear time", async () => {
  let x = tensor([1, 3]);
  for (let i = 0; i < 100; i++) x = add(x, x);
  assertEquals(await x.data(), new Float32Array([2 ** 100, 3 * 2 ** 100]));
});

// Determinism and lifetime

Deno.test("the same seed gives the same bits, whatever the number of threads", async () => {
  const bits: (readonly number[])[] = [];
  for (const threads of [1, 2, 3]) {
    using device = wasm({ threads });
    const f = compile((seed: Tensor) => {
      const x = normal(seed, [131, 257]);
      return sum(softmax(matmul(x, transposeLast(x))), { axes: [0] });
    }, { device });
    for (const _ of [1, 2]) bits.push([...await f(key(11)).data()]);
  }
  for (const other of bits) assertEquals(other, bits[0]);
});

Deno.test("a compiled function that was disposed of compiles anew", async () => {
  const { device, counts } = counting(wasm());
  const f = compile((x: Tensor) => add(x, 1), { device });
  const x = f(tensor([1, 2]));
  f[Symbol.dispose]();
  assertEquals(counts, { programs: 1, runs: 1, disposed: 1 });
  assertEquals(await x.data(), new Float32Array([2, 3]));
  assertEquals(await f(x).data(), new Float32Array([3, 4]));
  assertEquals(counts.programs, 2);
});

Deno.test("statistics tell what a program takes", () => {
  const f = compile((x: Tensor) => softmax(matmul(x, x)));
  f(zeros([40, 40]));
  const [statistics] = f.statistics();
  const { kernels = 0, arenaBytes = 0, unplannedBytes = 0, codeBytes = 0 } = statistics ?? {};
  assert(kernels >= 2 && arenaBytes >= 4 * 40 * 40 && codeBytes > 0);
  assertLessOrEqual(arenaBytes, unplannedBytes);
});

Deno.test("graphOf counts primitives as the function wrote them, less what is needless", () => {
  const graph = graphOf((x: Tensor) => apply("neg", [apply("neg", [x], {})], {}), [tensor([1, 2])]);
  assertEquals(graph, {
    nodes: [{ op: "input", index: 0, inputs: [], shape: [2], dtype: "f32" }],
    inputs: [0],
    outputs: [0],
  });
});

Deno.test("compiled functions that are garbage give their memory back", async () => {
  // Together they would need more than the 4 GiB that a wasm memory can have.
  const source = `
    const { compile, evaluate, matmul, ones, sum, transposeLast, wasm } = await import("@unitune/core");
    const device = wasm({ threads: 1 });
    const column = evaluate(ones([6000, 1]), device);
    for (let i = 0; i < 36; i++) {
      compile((x) => sum(matmul(x, transposeLast(x))), { device })(column);
      gc();
      await new Promise((resolve) => setTimeout(resolve));
    }
    console.log("done");
  `;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", "--v8-flags=--expose-gc", source],
    cwd: new URL("../..", import.meta.url),
  }).output();
  assertEquals(new TextDecoder().decode(stdout), "done\n", new TextDecoder().decode(stderr));
});
