/** What the fuser and the memory plan make of graphs. */
import { assert, assertAlmostEquals, assertEquals, assertLessOrEqual } from "@std/assert";
import { grad } from "@unitune/autodiff";
import {
  add,
  apply,
  applyAll,
  attention,
  bytesPerElement,
  cast,
  compile,
  concat,
  type Device,
  div,
  exp,
  gather,
  gelu,
  graphOf,
  iota,
  key,
  less,
  lessEqual,
  logSoftmax,
  matmul,
  mean,
  mul,
  neg,
  pow,
  reference,
  relu,
  reshape,
  rsqrt,
  type Shape,
  slice,
  softmax,
  split,
  sqrt,
  square,
  sub,
  sum,
  takeAlongAxis,
  tanh,
  type Tensor,
  tensor,
  transpose,
  transposeLast,
  uniform,
  wasm,
  where,
  zeros,
} from "@unitune/core";
import fc from "fast-check";
import { type Kernel, type Lowered, renumbered, usedBuffers } from "../../core/lowering/kernels.ts";
import { lower } from "../../core/lowering/lower.ts";
import { heldSpans } from "../../core/lowering/in_place.ts";
import { type MemoryPlan, planMemory } from "../../core/lowering/plan.ts";
import { cases } from "./primitives_table.ts";
import { arbitraryProgram, inputsOf, type RandomProgram, runProgram } from "./programs.ts";

/** Kinds of the kernels that a function becomes, in their order; a product with its epilogue. */
function kinds<A extends readonly Tensor[]>(f: (...args: A) => unknown, args: A): () => string {
  const kindOf = (kernel: Kernel) =>
    kernel.kind === "matmul" && kernel.epilogue !== undefined ? "matmul+map" : kernel.kind;
  return () => lower(graphOf(f, args)).kernels.map(kindOf).join(" ");
}

const x = zeros([4, 6]);
const row = zeros([6]);

/** [B, T, H D] as [B, H, T, D]. */
function heads(x: Tensor): Tensor {
  return transpose(reshape(x, [2, 8, 4, 3]), [0, 2, 1, 3]);
}

function layerNorm(x: Tensor, gain: Tensor, bias: Tensor): Tensor {
  const centred = sub(x, mean(x, { axes: [-1], keepDims: true }));
  const variance = mean(square(centred), { axes: [-1], keepDims: true });
  return add(mul(mul(centred, rsqrt(add(variance, 1e-5))), gain), bias);
}

/** AdamW on one parameter: the new parameter and both moments. */
function adamw(w: Tensor, g: Tensor, m: Tensor, v: Tensor, step: Tensor): Tensor[] {
  const first = add(mul(m, 0.9), mul(g, 0.1));
  const second = add(mul(v, 0.99), mul(square(g), 0.01));
  const correction = sub(1, pow(0.9, cast(step, "f32")));
  const update = div(div(first, correction), add(sqrt(second), 1e-8));
  return [sub(w, mul(add(update, mul(w, 0.1)), 1e-3)), first, second];
}

const fusions: Readonly<Record<string, { readonly kernels: string; readonly of: () => string }>> = {
  "a chain of elementwise operations": { kernels: "map", of: kinds((x) => gelu(x), [x]) },
  "a broadcast operand": { kernels: "map", of: kinds((x, row) => relu(add(x, row)), [x, row]) },
  "three results of one update": {
    kernels: "map",
    of: kinds(adamw, [x, x, x, x, zeros([], "i32")]),
  },
  "dropout, random numbers included": {
    kernels: "map",
    of: kinds((key, x) => where(less(uniform(key, [4, 6]), 0.9), div(x, 0.9), 0), [key(1), x]),
  },
  "a causal mask": {
    kernels: "map",
    of: kinds((scores) => {
      return where(lessEqual(iota([5, 5], 1), iota([5, 5], 0)), scores, -Infinity);
    }, [zeros([2, 5, 5])]),
  },
  "a reduction of a chain": { kernels: "reduce", of: kinds((x) => sum(square(relu(x))), [x]) },
  "a long sum of what is computed on the way: parts, the rest, and their sum": {
    kernels: "reduce reduce reduce",
    of: kinds((x) => sum(exp(x)), [zeros([70_001])]),
  },
  "the sum over a vocabulary": {
    kernels: "reduce",
    of: kinds((x) => sum(exp(x), { axes: [1] }), [zeros([2, 50_257])]),
  },
  "a product of long matrices: parts, and their sum": {
    kernels: "matmul reduce",
    of: kinds(matmul, [zeros([2, 2 ** 20]), zeros([2 ** 20, 3])]),
  },
  "softmax: a maximum, exponentials, their sum, a quotient": {
    kernels: "reduce map reduce map",
    of: kinds((x) => softmax(x), [x]),
  },
  "layer normalisation": {
    kernels: "reduce reduce map map",
    of: kinds(layerNorm, [x, row, row]),
  },
  "a product with a transposed operand, read in place": {
    kernels: "matmul",
    of: kinds((a, b) => matmul(transposeLast(a), b), [x, x]),
  },
  "a product with an operand that is turned and cut anew, after one copy": {
    kernels: "map matmul",
    of: kinds((x, w) => matmul(reshape(transposeLast(x), [6, 10]), w), [
      zeros([5, 12]),
      zeros([10, 3]),
    ]),
  },
  "rows of a table that is computed, and of one that is moved: each is stored first": {
    kernels: "map gather map gather",
    of: kinds((x, ids) => [gather(exp(x), ids), gather(transposeLast(x), ids)], [
      x,
      zeros([3], "i32"),
    ]),
  },
  "the same with random numbers, which are made where they are read": {
    kernels: "map map",
    of: kinds(
      (key, x) => mul(reshape(transposeLast(add(x, uniform(key, [4, 6]))), [4, 6]), 2),
      [key(1), x],
    ),
  },
  "scores of attention heads, cut and turned in place": {
    kernels: "matmul",
    of: kinds((q, k) => matmul(heads(q), transposeLast(heads(k))), [
      zeros([2, 8, 12]),
      zeros([2, 8, 12]),
    ]),
  },
  "a product with a bias and an activation": {
    kernels: "matmul+map",
    of: kinds((x, w, b) => relu(add(matmul(x, w), b)), [x, zeros([6, 5]), zeros([5])]),
  },
  "a product of one element, and what is made of it": {
    kernels: "matmul+map",
    of: kinds((x, w, b) => relu(add(matmul(x, w), b)), [zeros([1, 6]), zeros([6, 1]), zeros([1])]),
  },
  "a product that is a result, and so is what follows from it": {
    kernels: "matmul+map",
    of: kinds((x, w) => [matmul(x, w), relu(matmul(x, w))], [x, zeros([6, 5])]),
  },
  "a residual that several reductions need, stored by the product's kernel": {
    kernels: "matmul+map reduce reduce map map",
    of: kinds((x, w, y) => layerNorm(add(y, matmul(x, w)), row, row), [x, zeros([6, 6]), x]),
  },
  "a sum of two products": {
    kernels: "matmul matmul+map",
    of: kinds((x, a, b) => add(matmul(x, a), matmul(x, b)), [x, zeros([6, 5]), zeros([6, 5])]),
  },
  "a product that is used turned": {
    kernels: "matmul map",
    of: kinds((x, w) => relu(transpose(matmul(x, w), [1, 0])), [x, zeros([6, 5])]),
  },
  "a product that is reduced": {
    kernels: "matmul reduce",
    of: kinds((x, w) => sum(relu(matmul(x, w))), [x, zeros([6, 5])]),
  },
  "products of a batch": {
    kernels: "matmul map",
    of: kinds((x) => relu(matmul(x, transposeLast(x))), [zeros([2, 4, 6])]),
  },
  "a concatenation: a map for each piece, whatever computes it": {
    kernels: "map map",
    of: kinds((x, y) => concat([exp(x), transpose(y, [1, 0])], 0), [x, zeros([6, 2])]),
  },
  "a reshape that no index can follow is stored once": {
    kernels: "map map",
    of: kinds((x) => mul(reshape(transpose(exp(x), [1, 0]), [4, 6]), 2), [x]),
  },
};

for (const [name, { kernels, of }] of Object.entries(fusions)) {
  Deno.test(`${name} becomes ${kernels}`, () => assertEquals(of(), kernels));
}

/** Some additions, one after the other. */
function additions(x: Tensor, count: number): Tensor {
  let y = x;
  for (let i = 1; i <= count; i++) y = add(y, i);
  return y;
}

/** What two kernels read: sums of rows, and of columns. */
function summedTwice(x: Tensor): Tensor[] {
  return [sum(x, { axes: [0] }), sum(x, { axes: [1] })];
}

/** Kernels of what two sums read: made in both, or stored by a map before. */
const again = "reduce reduce";
const before = "map reduce reduce";

const shared: Readonly<Record<string, { readonly kernels: string; readonly of: () => string }>> = {
  "15 additions": { kernels: again, of: kinds((x) => summedTwice(additions(x, 15)), [x]) },
  "16 additions": { kernels: before, of: kinds((x) => summedTwice(additions(x, 16)), [x]) },
  "12 additions and a root": {
    kernels: again,
    of: kinds((x) => summedTwice(additions(sqrt(x), 12)), [x]),
  },
  "13 additions and a root": {
    kernels: before,
    of: kinds((x) => summedTwice(additions(sqrt(x), 13)), [x]),
  },
  "a function that is dear by itself": {
    kernels: before,
    of: kinds((x) => summedTwice(exp(x)), [x]),
  },
  "14 additions and a division by a number": {
    kernels: again,
    of: kinds((x) => summedTwice(additions(div(x, 3), 14)), [x]),
  },
  "15 additions and a division by a number": {
    kernels: before,
    of: kinds((x) => summedTwice(additions(div(x, 3), 15)), [x]),
  },
  "11 additions and a division": {
    kernels: again,
    of: kinds((x, y) => summedTwice(additions(div(x, y), 11)), [x, x]),
  },
  "12 additions and a division": {
    kernels: before,
    of: kinds((x, y) => summedTwice(additions(div(x, y), 12)), [x, x]),
  },
  "15 additions and movements": {
    kernels: again,
    of: kinds((x) => summedTwice(transpose(additions(slice(x, 1, 0, 4), 15), [1, 0])), [x]),
  },
  "random numbers": {
    kernels: before,
    of: kinds((key) => summedTwice(uniform(key, [4, 6])), [key(1)]),
  },
  "15 additions before as many that only one reads": {
    kernels: again,
    of: kinds((x) => {
      const y = additions(x, 15);
      return [sum(y, { axes: [0] }), sum(additions(y, 15), { axes: [1] })];
    }, [x]),
  },
  "few steps for each row, and all of its elements": {
    kernels: "map",
    of: kinds((x, column) => add(x, additions(column, 3)), [x, zeros([4, 1])]),
  },
  "more steps for each row": {
    kernels: "map map",
    of: kinds((x, column) => add(x, additions(column, 4)), [x, zeros([4, 1])]),
  },
  "a dear step for each row, read twice on the way": {
    kernels: "map map",
    of: kinds((x, column) => {
      const dear = exp(column);
      return add(x, add(dear, neg(dear)));
    }, [x, zeros([4, 1])]),
  },
  "a dear step, on the way to one that is stored in another order": {
    kernels: before,
    of: kinds((x) => {
      const dear = exp(x);
      return summedTwice(tanh(transpose(add(dear, neg(dear)), [1, 0])));
    }, [x]),
  },
  "a chain as long as a kernel's body": {
    kernels: "map",
    of: kinds((x) => additions(x, 128), [x]),
  },
  "a chain that is longer than a kernel's body": {
    kernels: "map map",
    of: kinds((x) => additions(x, 129), [x]),
  },
};

for (const [name, { kernels, of }] of Object.entries(shared)) {
  Deno.test(`${name}: computed by ${kernels}`, () => assertEquals(of(), kernels));
}

Deno.test("negative log-likelihoods never store a matrix of truth values", () => {
  const { buffers } = lower(graphOf(
    (logits: Tensor, ids: Tensor) => neg(mean(takeAlongAxis(logSoftmax(logits), ids))),
    [x, zeros([4], "i32")],
  ));
  assertEquals(buffers.filter(({ dtype }) => dtype === "bool"), []);
});

Deno.test("what follows a residual reads it, not all that was added up to it", () => {
  const { buffers, kernels, inputs } = lower(graphOf((x, w, bias) => {
    let stream = x;
    for (let layer = 0; layer < 3; layer++) stream = add(stream, add(matmul(stream, w), bias));
    return layerNorm(stream, bias, bias);
  }, [x, zeros([6, 6]), row]));
  const last = kernels.findLastIndex(({ kind }) => kind === "matmul");
  const [before, after] = [kernels.slice(0, last + 1), kernels.slice(last + 1)];
  const earlier = new Set([...inputs, ...before.flatMap((kernel) => usedBuffers(kernel).writes)]);
  const read = after.flatMap((kernel) => usedBuffers(kernel).reads)
    .filter((buffer) => earlier.has(buffer) && buffers[buffer]?.size === 4 * 6);
  assertEquals(new Set(read).size, 1);
});

Deno.test("what follows from large gates is computed again, and what follows from small ones is stored", () => {
  /** The values of a gated MLP's rows that are stored, forward and backward. */
  const stored = (rows: number) => {
    const [width, hidden] = [8, 64];
    const [into, out] = [zeros([width, hidden]), zeros([hidden, width])];
    const { buffers } = lower(graphOf((x: Tensor, w: Tensor, v: Tensor, d: Tensor) => {
      const [g, u] = [matmul(x, w), matmul(x, v)];
      const sigma = div(1, add(1, exp(neg(g))));
      const gate = mul(g, sigma);
      const h = mul(gate, u);
      const y = matmul(h, d);
      const dh = matmul(y, transposeLast(d));
      const slope = mul(sigma, add(1, mul(g, sub(1, sigma))));
      const gradients = [mul(mul(dh, u), slope), mul(dh, gate)];
      return [
        ...gradients.map((own) => matmul(transposeLast(x), own)),
        matmul(transposeLast(h), y),
      ];
    }, [zeros([rows, width]), into, into, out]));
    return buffers.filter(({ role, size }) => role.kind === "temporary" && size === rows * hidden)
      .length;
  };
  // Both products, the gated one, and the gradients of all three.
  assertEquals(stored(2 ** 13 + 1), 6);
  assert(stored(2 ** 13) > 6);
});

Deno.test("gradients of weights come when their operands do, and hold nothing back", () => {
  const [layers, size] = [6, 16];
  const w = zeros([size, size]);
  const graph = graphOf((x: Tensor) => {
    const activations = [x];
    for (let layer = 0; layer < layers; layer++) {
      activations.push(tanh(matmul(activations.at(-1) ?? x, w)));
    }
    const gradients: Tensor[] = [];
    let cotangent = mul(activations.at(-1) ?? x, 2);
    for (const activation of activations.slice(0, -1).toReversed()) {
      gradients.unshift(matmul(transposeLast(activation), cotangent));
      cotangent = mul(matmul(cotangent, transposeLast(w)), activation);
    }
    return gradients;
  }, [zeros([4 * size, size])]);
  const { arenaBytes } = planMemory(lower(graph), []);
  // The activations, one cotangent and the one before it; never the cotangents of all layers.
  assertLessOrEqual(arenaBytes, (layers + 2) * 4 * 4 * size * size);
});

/** Asserts that a renumbered kernel is the same kernel on other buffers. */
function assertRenumbers(kernel: Kernel): void {
  const { reads, writes } = usedBuffers(kernel);
  const moved = (buffer: number) => 3 * buffer + 1;
  const other = renumbered(kernel, moved);
  assertEquals(usedBuffers(other), { reads: reads.map(moved), writes: writes.map(moved) });
  assertEquals(renumbered(other, (buffer) => (buffer - 1) / 3), kernel);
}

Deno.test("kernels of every primitive, and of random programs, can be renumbered", () => {
  for (const { build, apply } of Object.values(cases).flat()) {
    lower(graphOf((...inputs: Tensor[]) => apply(inputs), build("f32"))).kernels
      .forEach(assertRenumbers);
  }
  fc.assert(fc.property(arbitraryProgram, (program) => {
    lowered(program).kernels.forEach(assertRenumbers);
  }));
});

/** For each buffer, the first and the last kernel that touch it; undefined if none does. */
function lifetimes({ buffers, kernels }: Lowered): ({ first: number; last: number } | undefined)[] {
  return buffers.map((_, buffer) => {
    const touching = kernels.flatMap((kernel, position) => {
      const { reads, writes } = usedBuffers(kernel);
      return reads.includes(buffer) || writes.includes(buffer) ? [position] : [];
    });
    const [first] = touching;
    return first === undefined ? undefined : { first, last: touching.at(-1) ?? first };
  });
}

/** Bytes of the program's own memory that buffers take, with their lifetimes. */
function intervals(lowered: Lowered, plan: MemoryPlan) {
  const spans = lifetimes(lowered);
  const held = heldSpans(lowered);
  return lowered.buffers.flatMap(({ dtype, size, role }, buffer) => {
    const [place, span] = [plan.places[buffer], spans[buffer]];
    if (place?.kind !== "own" || span === undefined) return [];
    const end = place.offset + size * bytesPerElement[dtype];
    // A small result is copied out after the last kernel.
    const last = role.kind === "output" ? lowered.kernels.length : held[buffer]?.last ?? span.last;
    return [{ first: span.first, last, start: place.offset, end }];
  });
}

function lowered(program: RandomProgram): Lowered {
  return lower(
    graphOf((...inputs: Tensor[]) => runProgram(program, inputs), inputsOf(program)),
  );
}

Deno.test("buffers that live at the same time share no byte of a program's own memory", () => {
  fc.assert(fc.property(arbitraryProgram, (program) => {
    const kernels = lowered(program);
    const plan = planMemory(kernels, []);
    const taken = intervals(kernels, plan);
    for (const [i, a] of taken.entries()) {
      assertLessOrEqual(a.end, plan.ownBytes);
      for (const b of taken.slice(i + 1)) {
        const together = a.first <= b.last && b.first <= a.last;
        assert(!together || a.end <= b.start || b.end <= a.start, JSON.stringify([a, b]));
      }
    }
    assertLessOrEqual(plan.arenaBytes, plan.unplannedBytes);
  }));
});

Deno.test("buffers are written before they are read, and results are written", () => {
  fc.assert(fc.property(arbitraryProgram, (program) => {
    const { kernels, inputs, outputs } = lowered(program);
    const written = new Set(inputs);
    for (const kernel of kernels) {
      const { reads, writes } = usedBuffers(kernel);
      assertEquals(reads.filter((buffer) => !written.has(buffer)), []);
      for (const buffer of writes) written.add(buffer);
    }
    assertEquals(outputs.filter((buffer) => !written.has(buffer)), []);
    assertEquals(new Set(outputs).size, outputs.length);
  }));
});

Deno.test("a donated input becomes one result at most, of its size and dtype", () => {
  fc.assert(fc.property(arbitraryProgram, (program) => {
    const kernels = lowered(program);
    const donated = [...kernels.inputs.keys()];
    const { places } = planMemory(kernels, donated);
    const donors = kernels.outputs.flatMap((buffer) => {
      const place = places[buffer];
      if (place?.kind !== "operand") return [];
      const [input, output] = [
        kernels.buffers[kernels.inputs[place.index] ?? -1],
        kernels.buffers[buffer],
      ];
      assertEquals([input?.dtype, input?.size], [output?.dtype, output?.size]);
      return [place.index];
    });
    assertEquals(new Set(donors).size, donors.length);
  }));
});

Deno.test("a chain of temporaries needs the room of two of them", () => {
  let y = zeros([32, 32]);
  const graph = graphOf((x: Tensor) => {
    y = x;
    for (let i = 0; i < 8; i++) y = matmul(y, x);
    return y;
  }, [y]);
  const plan = planMemory(lower(graph), []);
  assertEquals(plan.arenaBytes, 2 * 4 * 32 * 32);
  assertEquals(plan.unplannedBytes, 7 * 4 * 32 * 32);
});

// At most 16 steps, each of about two roundings of 6e-8, none of which grows (see programs.ts).
const TOLERANCE = 2e-6;

type Results = readonly { readonly shape: Shape; readonly elements: readonly number[] }[];

/** What a function gives on a device for inputs that are made anew. */
async function resultsOn(
  device: Device,
  f: (inputs: readonly Tensor[]) => Tensor[],
  inputs: () => Tensor[],
  donate: readonly number[] = [],
): Promise<Results> {
  using compiled = compile(f, { device, donate });
  return await Promise.all(
    compiled(inputs()).map(async (result) => ({
      shape: result.shape,
      elements: [...await result.data()],
    })),
  );
}

function assertAgree(actual: Results, expected: Results): void {
  assertEquals(actual.map(({ shape }) => shape), expected.map(({ shape }) => shape));
  for (const [i, { elements }] of expected.entries()) {
    elements.forEach((element, j) => {
      const other = actual[i]?.elements[j] ?? NaN;
      assertAlmostEquals(other, element, TOLERANCE, `result ${i} at ${j}`);
    });
  }
}

Deno.test("random programs compute the same on wasm as on the reference, donated or not", async () => {
  using here = wasm();
  using there = reference();
  await fc.assert(fc.asyncProperty(arbitraryProgram, async (program) => {
    const f = (inputs: readonly Tensor[]) => runProgram(program, inputs);
    const inputs = () => inputsOf(program);
    const expected = await resultsOn(there, f, inputs);
    assertAgree(await resultsOn(here, f, inputs), expected);
    assertAgree(await resultsOn(here, f, inputs, [0]), expected);
  }));
});

Deno.test("elements are read where they are, though loops look alike and views carry over rows", async () => {
  using here = wasm();
  using there = reference();
  const inputs = () => [key(1), key(2)].map((key) => uniform(key, [4, 4]));
  const f = ([x, y]: readonly Tensor[]) => {
    if (x === undefined || y === undefined) throw new Error("there are two inputs");
    const [stored, joined] = [exp(neg(x)), concat([exp(neg(y)), exp(neg(x))], 0)];
    const carried = reshape(slice(reshape(tanh(transpose(y, [1, 0])), [16]), 0, 1, 13), [3, 4]);
    return [stored, mul(transpose(stored, [1, 0]), 0.5), neg(slice(joined, 0, 2, 6)), neg(carried)];
  };
  assertAgree(await resultsOn(here, f, inputs), await resultsOn(there, f, inputs));
});

Deno.test("one value may be the result of a program more often than a function has parameters", async () => {
  using device = wasm({ threads: 1 });
  using many = compile((x: Tensor) => {
    const sum = add(x, 1);
    return Array.from({ length: 1500 }, () => sum);
  }, { device });
  const results = many(zeros([4]));
  assertEquals(results.length, 1500);
  assertEquals(await results.at(-1)?.data(), new Float32Array(4).fill(1));
});

/** The gradient of causal attention with respect to `x [2, 8, 36]`: queries, keys, values of 4 heads. */
function attentionGradientOf(x: Tensor, g: Tensor): Tensor {
  const heads = (part: Tensor) => reshape(part, [2, 8, 4, 3]);
  return grad((y: Tensor) => {
    const [q, k, v] = split(y, 3, 2).map(heads);
    assert(q && k && v);
    return sum(mul(attention(q, k, v, { causal: true }), g));
  })(x);
}

Deno.test("attention reads its operands and writes its gradients where they stand", () => {
  const args: [Tensor, Tensor] = [zeros([2, 8, 36]), zeros([2, 8, 4, 3])];
  assertEquals(kinds((x, g) => attentionGradientOf(x, g), args)(), "attentionGradient");
  // Beside what is added to a gradient, it is copied.
  assertEquals(
    kinds((x, g) => add(attentionGradientOf(x, g), x), args)(),
    "attentionGradient map",
  );
});

Deno.test("pieces that are written in place, copied, and used elsewhere, are right", async () => {
  const parameters = {
    scale: 1,
    softcap: null,
    causal: true,
    window: null,
    start: 0,
    segments: false,
  };
  const f = (x: Tensor, y: Tensor) => {
    const [dq, dk, dv] = applyAll("attentionGradient", [x, y, x, y], parameters);
    assert(dk && dv);
    return [concat([mul(x, 2), dk, dq], 1), concat([dv, y], 2), dv];
  };
  const [a, b] = [1, 2].map((from) => uniform(key(from), [2, 3, 2, 2]));
  assert(a && b);
  const [x, y] = [tensor(await a.data(), a), tensor(await b.data(), b)];
  using ours = compile(f, { device: wasm({ threads: 1 }) });
  using expected = compile(f, { device: reference() });
  const right = expected(x, y);
  for (const [i, result] of ours(x, y).entries()) {
    const elements = await right[i]?.data();
    for (const [j, element] of (await result.data()).entries()) {
      assertAlmostEquals(element, elements?.[j] ?? NaN, 1e-5);
    }
  }
});

Deno.test("a product is written where it stands in a concatenation of rows, and copied elsewhere", () => {
  const args: [Tensor, Tensor, Tensor] = [zeros([4, 6]), zeros([6, 5]), zeros([4, 5])];
  const products = (axis: number) => (x: Tensor, y: Tensor, z: Tensor) => {
    const first = matmul(x, y);
    // What waits for a product does not read it.
    const second = matmul(apply("barrier", [x, first], {}), y);
    return concat([first, second, z], axis);
  };
  assertEquals(kinds(products(0), args)(), "matmul matmul map");
  assertEquals(kinds(products(1), args)(), "matmul map matmul map map");
});

Deno.test("a sum that a barrier waits for is computed before what follows, not with what reads it", () => {
  const f = (waits: boolean) => (x: Tensor, y: Tensor, z: Tensor) => {
    const before = add(matmul(x, y), matmul(y, x));
    const after = matmul(waits ? apply("barrier", [z, before], {}) : z, z);
    return add(before, after);
  };
  const args: [Tensor, Tensor, Tensor] = [zeros([4, 4]), zeros([4, 4]), zeros([4, 4])];
  assertEquals(kinds(f(false), args)(), "matmul matmul matmul+map");
  assertEquals(kinds(f(true), args)(), "matmul matmul+map matmul+map");
});
