/** Heads in blocks of their vocabulary: the predictions of the head, and none of its logits at once. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { checkGradients, grad, sgd } from "@unitune/autodiff";
import {
  add,
  argmax,
  cast,
  graphOf,
  headLogits,
  key,
  type LinearHead,
  mul,
  ShapeError,
  slice,
  sum,
  type Tensor,
  tensor,
  wasm,
  zeros,
} from "@unitune/core";
import {
  evaluationStep,
  generalizedJsd,
  initTrainingState,
  modelOf,
  type Policy,
  scoreTokens,
  sft,
  tokenEntropy,
  tokenLogProbs,
  trainingStep,
} from "@unitune/objectives";
import fc from "fast-check";
import { lower } from "../../core/lowering/lower.ts";
import { planMemory } from "../../core/lowering/plan.ts";
import { jsdInBlocks } from "../../objectives/blocked_jsd.ts";
import { blockSize, inBlocks, noiseOf } from "../../objectives/vocabulary_blocks.ts";
import { assertLikeReference } from "../webgpu/compare.ts";
import { assertClose, assertNear, context, lossOf, type Parameters, policy } from "./arbitrary.ts";
import { blockedOperands, blockedResults, blockedTolerance, inBlocksOf } from "./blocked.ts";
import { entriesOf, worldOf } from "./worlds.ts";

const f64 = { dtype: "f64" } as const;
const idsOf = (ids: readonly number[]) => tensor(ids, { dtype: "i32" });

/** Log-probabilities, entropies, arg max and draws of all logits at once. */
function whole(head: LinearHead, hidden: Tensor) {
  const logits = headLogits(head, hidden);
  return {
    logProbs: (ids: Tensor) => tokenLogProbs(logits, ids),
    entropy: () => tokenEntropy(logits),
    argmax: () => argmax(logits),
    draw: (key: Tensor, numbers: Tensor) =>
      argmax(add(cast(logits, "f32"), noiseOf(key, numbers, V))),
  };
}

const [N, V, D] = [3, 5, 2];
const eighths = fc.integer({ min: -24, max: 24 }).map((x) => x / 8);
const vector = (size: number) => fc.array(eighths, { minLength: size, maxLength: size });
const matrix = (rows: number, columns: number) =>
  fc.array(vector(columns), { minLength: rows, maxLength: rows });
const options = fc.record({
  bias: vector(V),
  scale: fc.constantFrom(-1.5, 0, 40),
  softcap: fc.constantFrom(0.5, 30),
  temperature: fc.constantFrom(0.25, 3),
}, { requiredKeys: [] });

Deno.test("blocks of any size predict what all logits at once predict, whatever the head", async () => {
  await fc.assert(
    fc.asyncProperty(
      matrix(N, D),
      matrix(V, D),
      options,
      fc.array(fc.integer({ min: -1, max: V }), { minLength: N, maxLength: N }),
      fc.integer({ min: 1, max: V }),
      async (states, weight, { bias, ...numbers }, tokens, size) => {
        const head: LinearHead = {
          weight: tensor(weight, f64),
          ...(bias === undefined ? {} : { bias: tensor(bias, f64) }),
          ...numbers,
        };
        const [hidden, ids] = [tensor(states, f64), idsOf(tokens)];
        const [blocked, plain] = [inBlocks(head, hidden, size), whole(head, hidden)];
        // Sums of some ten terms, of logits up to 3,000.
        await assertClose(blocked.logProbs(ids), plain.logProbs(ids), 1e-11);
        await assertClose(blocked.entropy(), plain.entropy(), 1e-11);
        assertEquals(await blocked.argmax().data(), await plain.argmax().data());
        const rows = tensor([2, 0, 7], { dtype: "u32" });
        const [own, expected] = [blocked, plain].map(({ draw }) => draw(key(size), rows));
        assertEquals(await own?.data(), await expected?.data());
      },
    ),
    { numRuns: 40 },
  );
});

const I = Infinity;

Deno.test("impossible tokens have no share, blocks of them neither, and infinite logits no prediction", async () => {
  const rows = [
    [0, -I, 1, 2, 0],
    [-I, -I, 1, 2, -I],
    [-I, -I, -I, -I, -I],
    [1, I, 0, 0, 2],
    [0, 1, NaN, 0, 0],
  ];
  for (const bias of rows) {
    const head = { weight: zeros([V, D], "f64"), bias: tensor(bias, f64) };
    const hidden = zeros([V, D], "f64");
    const ids = idsOf([0, 1, 2, 3, 4]);
    const [blocked, plain] = [inBlocks(head, hidden, 2), whole(head, hidden)];
    await assertClose(blocked.logProbs(ids), plain.logProbs(ids), 1e-14);
    await assertClose(blocked.entropy(), plain.entropy(), 1e-14);
  }
});

interface Operands {
  readonly hidden: Tensor;
  readonly weight: Tensor;
  readonly bias: Tensor;
}

const operands: Operands = {
  hidden: tensor([[0.5, -1], [2, 0.3], [-0.4, 0.9]], f64),
  weight: tensor([[1, 2], [0.1, -1], [0.4, 0], [-0.7, 0.2], [1.5, -0.3]], f64),
  bias: tensor([0.2, 0, -0.3, 0.5, 0.1], f64),
};
const capped = { scale: 0.7, softcap: 2, temperature: 1.5 };
const labels = idsOf([4, 0, 2]);

/** What a loss may depend on: log-probabilities, entropies, or both. */
const losses: Readonly<Record<string, (of: ReturnType<typeof whole>) => Tensor>> = {
  "log-probabilities": ({ logProbs }) => logProbs(labels),
  entropies: ({ entropy }) => entropy(),
  both: ({ logProbs, entropy }) => mul(logProbs(labels), entropy()),
};

for (const [name, loss] of Object.entries(losses)) {
  Deno.test(`gradients of ${name} in blocks are right, to the second order`, async () => {
    const blocked = ({ hidden, ...head }: Operands) =>
      loss(inBlocks({ ...head, ...capped }, hidden, 2));
    await checkGradients(blocked, operands, { order: 2 });
    const plain = ({ hidden, ...head }: Operands) => loss(whole({ ...head, ...capped }, hidden));
    await assertClose(
      grad((x: Operands) => sum(blocked(x)))(operands),
      grad((x: Operands) => sum(plain(x)))(operands),
      1e-14,
    );
  });
}

Deno.test("what a loss does not depend on is not differentiated", () => {
  /** The choices between elements of the two blocks of two tokens, in a gradient. */
  const choices = (loss: (of: ReturnType<typeof whole>) => Tensor) =>
    graphOf(
      grad(({ hidden, weight }: Operands) => sum(loss(inBlocks({ weight }, hidden, 2)))),
      [operands],
    ).nodes.filter(({ op, shape }) => op === "where" && shape[1] === 2).length;
  // The given token, on the way back.
  assertEquals(choices(({ logProbs }) => logProbs(labels)), 2);
  // The tokens that are possible, on either way: the entropy is part of its own gradient.
  assertEquals(choices(({ entropy }) => entropy()), 4);
  // Each is part of the other's gradient.
  assertEquals(choices(({ logProbs, entropy }) => mul(logProbs(labels), entropy())), 8);
});

/** The options of a divergence over all tokens. */
const allAt = (beta: number) => ({ beta, topK: undefined, tail: true });

/** A teacher of another width, at hidden states of its own. */
const taught = {
  head: {
    weight: tensor([[1, 0, 2], [0.5, -1, 1], [-0.2, 0.3, 0], [2, 1, -1], [0, 0.4, 0.6]], f64),
    scale: 0.5,
  },
  hidden: tensor([[1, -1, 0.2], [0.1, 0.5, -2], [0.7, 0, 1]], f64),
};

/** All tokens, or more of the likeliest than a block has. */
const compared = [
  ...[0, 0.3, 1].map(allAt),
  { beta: 0, topK: 3, tail: true },
  { beta: 0.3, topK: 3, tail: true },
  { beta: 1, topK: 3, tail: false },
];

for (const { beta, topK, tail } of compared) {
  const of = topK === undefined ? "" : ` of the top ${topK}${tail ? " and their tail" : ""}`;
  Deno.test(`divergences from a teacher are right in blocks, beta ${beta}${of}, to the second order`, async () => {
    const blocked = ({ hidden, ...head }: Operands) =>
      jsdInBlocks({ head: { ...head, ...capped }, hidden }, taught, 2, { beta, topK, tail });
    const plain = ({ hidden, ...head }: Operands) =>
      generalizedJsd(
        headLogits({ ...head, ...capped }, hidden),
        headLogits(taught.head, taught.hidden),
        { beta, ...topK !== undefined && { topK }, tail },
      );
    await assertClose(blocked(operands), plain(operands), 1e-14);
    await assertClose(
      grad((x: Operands) => sum(blocked(x)))(operands),
      grad((x: Operands) => sum(plain(x)))(operands),
      1e-14,
    );
    await checkGradients(blocked, operands, { order: 2 });
  });
}

Deno.test("a teacher of another vocabulary is refused, and impossible tokens add nothing", async () => {
  const { hidden, weight, bias } = operands;
  const short = { ...taught, head: { weight: slice(taught.head.weight, 0, 1) } };
  assertThrows(
    () => jsdInBlocks({ head: { weight }, hidden }, short, 2, allAt(0.5)),
    ShapeError,
    "a student of 5 and a teacher of 4 tokens",
  );
  // Impossible for both, and for the student alone, where only the reverse KL is finite.
  const head = { weight, bias: add(bias, tensor([0, -I, -I, 0, 0], f64)) };
  const other = { ...taught, head: { ...taught.head, bias: tensor([0, -I, 0, 0, 0], f64) } };
  for (const beta of [0, 0.3, 1]) {
    const [own, teacher] = [headLogits(head, hidden), headLogits(other.head, other.hidden)];
    for (const topK of [undefined, 1, 2, V]) {
      const actual = jsdInBlocks({ head, hidden }, other, 2, { ...allAt(beta), topK });
      const options = { beta, ...topK !== undefined && { topK } };
      await assertNear(actual, generalizedJsd(own, teacher, options), 1e-14);
    }
  }
});

Deno.test("gradients reach each operand alone, and none that is frozen", async () => {
  const { hidden, weight, bias } = operands;
  const loss = (x: Operands, size: number) => {
    const head = { weight: x.weight, bias: x.bias };
    const { logProbs, entropy } = size < V ? inBlocks(head, x.hidden, size) : whole(head, x.hidden);
    return sum(add(logProbs(labels), entropy()));
  };
  for (const [name, x] of Object.entries({ hidden, weight, bias })) {
    const at = (size: number) => (y: Tensor) => loss({ ...operands, [name]: y }, size);
    await assertClose(grad(at(2))(x), grad(at(V))(x), 1e-14);
  }
  // A frozen head costs one product more on the way back, for the hidden states.
  const products = graphOf(grad((h: Tensor) => loss({ ...operands, hidden: h }, 2)), [hidden]).nodes
    .filter(({ op }) => op === "matmul");
  assertEquals(products.length, 3 * Math.ceil(V / 2));
});

Deno.test("a head that does not fit its hidden states is refused, and so is a size of blocks", () => {
  const { hidden, weight } = operands;
  const wrong = zeros([4], "f64");
  assertThrows(() => inBlocks({ weight, bias: wrong }, hidden, 2), ShapeError, "head: bias");
  assertThrows(() => inBlocks({ weight: zeros([5, 3]) }, hidden, 2), ShapeError, "head: weight");
  for (const block of [0, -1, 1.5, NaN]) {
    assertThrows(() => blockSize({ weight, block }, 1), RangeError, "head: block");
  }
});

Deno.test("there are blocks where logits are many and the vocabulary is wide, or where a head says so", () => {
  const sizeOf = (positions: number, vocabulary: number, block?: number) =>
    blockSize(
      { weight: zeros([vocabulary, 8]), ...(block === undefined ? {} : { block }) },
      positions,
    );
  // Up to 2^21 logits, or to 2,048 tokens, all are computed at once.
  assertEquals(sizeOf(255, 8192), undefined);
  assertEquals(sizeOf(2 ** 16, 2047), undefined);
  assertEquals(sizeOf(256, 8192), 4096);
  assertEquals(sizeOf(2 ** 16, 2048), 1024);
  // 4 MiB of logits a block, in multiples of 64 tokens, and at most 16 blocks.
  assertEquals(sizeOf(128, 50257), 7232);
  assertEquals(sizeOf(512, 49152), 3072);
  assertEquals(sizeOf(1024, 151936), 9536);
  assertEquals(sizeOf(1, 8, 3), 3);
  assertEquals(sizeOf(1, 8, 8), undefined);
  assertEquals(sizeOf(1024, 151936, Infinity), undefined);
});

Deno.test("blocks predict and learn on wasm as on the reference", () =>
  assertLikeReference(
    [wasm({ threads: 1 })],
    blockedResults,
    blockedOperands,
    blockedTolerance,
    "a head in blocks",
  ));

const world = worldOf({ seed: 5, distance: 0.3, vocabulary: 5 });
const random = { ...context, keys: { step: key(1), batch: key(2) } };

for (const { name, use } of entriesOf(world, modelOf(inBlocksOf(policy, 2), world.reference))) {
  Deno.test(`${name} has the same loss and gradient in blocks`, () =>
    use(async ({ policy, objective, batch }) => {
      const loss = (block: number) => lossOf(objective, batch, random, inBlocksOf(policy, block));
      // Sums in another order, in f64, through losses of size 1 to 100.
      await assertClose(loss(2)(world.params), loss(Infinity)(world.params), 1e-12);
      await assertClose(
        grad(loss(2))(world.params),
        grad(loss(Infinity))(world.params),
        1e-12,
      );
    }));
}

const large = worldOf({ seed: 5, distance: 0.3, vocabulary: 60, dtype: "f32" });
/** The fewest logits of a side: of 2 rows of 6 tokens, where the best and the worst of 2 are chosen. */
const LOGITS = 2 * 5 * 60;

/** The elements of the largest array that a function stores. */
function largestOf<A extends readonly unknown[]>(f: (...args: A) => unknown, args: A): number {
  return Math.max(...lower(graphOf(f, args)).buffers.map(({ size }) => size));
}

for (
  const { name, trains, use } of entriesOf(large, modelOf(inBlocksOf(policy, 7), large.reference))
) {
  Deno.test(`a step of ${name} stores the logits of no more than a block`, () =>
    use(({ policy, objective, batch }) => {
      const largest = (block: number) => {
        const by = inBlocksOf(policy, block);
        const step = trainingStep({ policy: by, objective, optimizer: sgd(1) });
        const state = initTrainingState(large.params, sgd(1), key(0), objective.memory);
        return largestOf(step, [state, batch]);
      };
      // The head of a reward model has no vocabulary.
      if (trains !== "policy") return;
      assert(largest(Infinity) >= LOGITS);
      assert(largest(7) < LOGITS / 2, `${largest(7)}`);
    }));
}

Deno.test("evaluations and scores store the logits of no more than a block", () => {
  const { params, demonstrations } = large;
  const step = zeros([], "i32");
  for (const block of [7, Infinity]) {
    const by = inBlocksOf(policy, block);
    const evaluated = evaluationStep({ policy: by, objective: sft() });
    const programs = [
      largestOf((own: Parameters) => evaluated({ params: own, step }, demonstrations), [params]),
      largestOf((own: Parameters) => scoreTokens(modelOf(by, own), demonstrations), [params]),
    ];
    for (const largest of programs) assertEquals(largest < LOGITS / 2, block === 7, `${largest}`);
  }
});

Deno.test("the vocabulary of Qwen3 takes no memory beyond its blocks and the gradient of its weight", () => {
  const [positions, vocabulary, width] = [512, 151_936, 4];
  const params = { table: zeros([vocabulary, width]), mixing: zeros([width, width]) };
  const ids = zeros([1, positions + 1], "i32");
  const batch = { ids, mask: zeros(ids.shape) };
  const arenaOf = (by: Policy<Parameters>) => {
    const step = trainingStep({ policy: by, objective: sft(), optimizer: sgd(1) });
    const state = initTrainingState(params, sgd(1), key(0));
    return planMemory(lower(graphOf(step, [state, batch])), [0, 1, 2, 3]).arenaBytes;
  };
  const [logits, block] = [vocabulary, 9536].map((tokens) => 4 * positions * tokens);
  assert(logits !== undefined && block !== undefined);
  // The gradient of logits is written over them.
  assert(arenaOf(inBlocksOf(policy, Infinity)) >= logits);
  // A block, and the gradient of the tied weight, in one place for both of its uses.
  const gradient = 4 * vocabulary * width;
  assert(arenaOf(policy) < 1.2 * block + gradient, `${arenaOf(policy)}`);
});

Deno.test("a block takes over the storage of the one before, on either way", () => {
  // Wide enough that no other storage matters: 64 positions, blocks of 64 of 512 tokens.
  const [positions, vocabulary, width, size] = [64, 512, 8, 64];
  const x = { hidden: zeros([positions, width]), weight: zeros([vocabulary, width]) };
  const teacher = { hidden: zeros([positions, 3]), weight: zeros([vocabulary, 3]) };
  const ids = zeros([positions], "i32");
  /** Storage between operands and results in blocks of logits. */
  const blocksOf = (loss: (of: typeof x, from: typeof teacher, ids: Tensor) => Tensor) => {
    const step = (own: typeof x, from: typeof teacher, ids: Tensor) =>
      grad((y: typeof x) => sum(loss(y, from, ids)))(own);
    const lowered = lower(graphOf(step, [x, teacher, ids]));
    return planMemory(lowered, []).arenaBytes / (4 * positions * size);
  };
  const predicted = blocksOf(({ hidden, weight }, _, ids) => {
    const { logProbs, entropy } = inBlocks({ weight }, hidden, size);
    return add(logProbs(ids), entropy());
  });
  // The logits of a block, or its part of the gradient; sums for each position beside them.
  assert(predicted < 2, `${predicted}`);
  // Log-probabilities of both, and what each adds; of 8 blocks, 16 would be held without an order.
  for (const options of [0, 0.5, 1].map(allAt)) {
    const distilled = (topK?: number) =>
      blocksOf(({ hidden, weight }, from) =>
        jsdInBlocks(
          { head: { weight }, hidden },
          { head: { weight: from.weight }, hidden: from.hidden },
          size,
          { ...options, topK },
        )
      );
    assert(distilled() < 6, `${distilled()} at ${options.beta}`);
    // The likeliest 4 of each block, and a block in their order.
    if (options.beta === 0.5) assert(distilled(4) < 7, `${distilled(4)}`);
  }
});
