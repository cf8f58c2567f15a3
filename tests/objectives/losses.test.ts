/** Pure losses: vectors from outside, formulas by hand, gradients, and rows without a proper value. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { checkGradients, grad } from "@unitune/autodiff";
import {
  add,
  div,
  exp,
  log,
  logSoftmax,
  mul,
  ShapeError,
  slice,
  sum,
  type Tensor,
  tensor,
  zeros,
} from "@unitune/core";
import {
  aggregate,
  aotLoss,
  aotUnpairedLoss,
  apoDownLoss,
  apoZeroLoss,
  batchZScore,
  bcoLoss,
  cispoLoss,
  clippedLoss,
  cpoLoss,
  dftLoss,
  discopopLoss,
  divergenceScore,
  dpoLoss,
  drGrpoLoss,
  entropyLoss,
  estimator,
  exoLoss,
  exponentialLoss,
  type FDivergence,
  formulaText,
  gaeAdvantages,
  generalizedJsd,
  groupMeanBaseline,
  groupZScore,
  gspoLoss,
  hingeLoss,
  importanceRatio,
  ipoLoss,
  iwSftLoss,
  klEstimate,
  type KlEstimator,
  klLoss,
  ktoLoss,
  ktoReferencePoint,
  leaveOneOut,
  type Loss,
  lossValue,
  maskedWhiten,
  maxRl,
  ncaLoss,
  nllLoss,
  oddsRatioLoss,
  orpoLoss,
  pairwise,
  ppoLoss,
  type PreferenceForm,
  type PreferenceLoss,
  propagationLoss,
  reinforceLoss,
  rewardModelLoss,
  rlooLoss,
  robustLoss,
  sequenceLogProbs,
  simpoLoss,
  sppoLoss,
  tokenEntropy,
  tokenRewards,
  valueLoss,
} from "@unitune/objectives";
import fc from "fast-check";
import { assertClose } from "./arbitrary.ts";
import { theorem } from "./theorem.ts";

const f64 = { dtype: "f64" } as const;
const vector = (values: readonly number[]) => tensor(values, f64);
const row = (values: readonly number[]) => tensor([values], f64);
const modest = { numRuns: 30 };
/** Numbers that f32 has: options are refused that it would make 0. */
const number = (min: number, max: number) =>
  fc.float({ min: Math.fround(min), max: Math.fround(max), noNaN: true });

function namesOf<K extends string>(table: Readonly<Record<K, unknown>>): K[] {
  const isName = (name: string): name is K => Object.hasOwn(table, name);
  return Object.keys(table).filter(isName);
}

Deno.test("NeMo-RL: PPO, GSPO and KL", async () => {
  const [old, mask] = [zeros([1, 3], "f64"), tensor([[1, 1, 1]])];
  const [logProbs, advantages] = [log(row([0.5, 1, 1.5])), row([1, -1, 2])];
  const ppo = ppoLoss(logProbs, old, advantages, mask);
  assertAlmostEquals(await lossValue(ppo).item(), -0.6333, 5e-5);
  const ratio = importanceRatio(logProbs, old, mask, "sequence-mean");
  assertAlmostEquals(await ratio.item(), 0.9086, 5e-5);
  const gspo = gspoLoss(logProbs, old, advantages, mask, { epsilon: 0.2, epsilonHigh: 0.2 });
  assertAlmostEquals(await lossValue(gspo).item(), -0.6057, 5e-5);
  const kl = klEstimate(vector([-1, -1, -1]), vector([0, -15, -30]), "k3");
  await assertClose(kl, vector([0.7183, 13, 28]), 5e-5);
});

Deno.test("rlax: generalised advantages", async () => {
  const advantages = gaeAdvantages(row([0, 0, 1, 0, -0.5]), row([1, 4, -3, -2, -1, -1]), {
    gamma: 0.99,
    lambda: 0.7,
  });
  const printed = row([-0.676979, -5.248167, 2.4846, 0.6704, -0.49]);
  await assertClose(slice(advantages, 1, 0, 2), slice(printed, 1, 0, 2), 1e-6);
  // The rest is printed to four digits.
  await assertClose(advantages, printed, 5e-5);
});

Deno.test("TRL: masked whitening", async () => {
  const mask = tensor([[1, 1, 0], [0, 1, 1]]);
  const white = tensor([
    [-1.0502100621, -0.6301260373, -0.2100420125],
    [0.2100420125, 0.6301260373, 1.0502100621],
  ], f64);
  const x = tensor([[1, 2, 3], [4, 5, 6]], f64);
  await assertClose(maskedWhiten(x, mask), white, 1e-10);
  await assertClose(maskedWhiten(x, mask, { shiftMean: false }), add(white, 3.5), 1e-10);
});

Deno.test("CS336: advantages z-scored in groups", async () => {
  const rewards = vector([0.2, 0.5, 0, 0.4, 0.9, 0.7, 0.2, 0]);
  await assertClose(
    groupZScore(rewards, { groupSize: 4, epsilon: 1e-6 }),
    vector([
      -0.3382392,
      1.0147176,
      -1.2402104,
      0.56373197,
      1.0706171,
      0.5947873,
      -0.5947872,
      -1.0706171,
    ]),
    // The source computed in f32.
    3e-7,
  );
});

Deno.test("torchtune: DPO and hinge", async () => {
  const pairs = [
    vector([-0.5, -10, -1]),
    vector([-0.1, -30, -21]),
    vector([-0.5, -10.1, -0.1]),
    vector([-0.1, -20.1, -0.1]),
  ] as const;
  const expected = [0, 1, 2].map((x) => Math.log1p(Math.exp(-x)));
  await assertClose(dpoLoss(...pairs, { beta: 0.1 }), vector(expected), 1e-10);
  await assertClose(hingeLoss(...pairs, { beta: 0.1 }), vector([1, 0, 0]), 1e-10);
});

Deno.test("MaxRL: advantages", async () => {
  await assertClose(maxRl(vector([1, 0, 0, 0]), { groupSize: 4 }), vector([3, -1, -1, -1]), 0);
});

const s = (x: number) => 1 / (1 + Math.exp(-x));
const ls = (x: number) => -Math.log1p(Math.exp(-x));

/** The table of objectives.md, as numbers: Dw, Dl, beta, e to the loss. */
const byHand: Readonly<
  Record<string, [PreferenceLoss, (w: number, l: number, b: number, e: number) => number]>
> = {
  dpo: [dpoLoss, (w, l, b, e) => -(1 - e) * ls(b * (w - l)) - e * ls(-b * (w - l))],
  hinge: [hingeLoss, (w, l, b) => Math.max(0, 1 - b * (w - l))],
  ipo: [ipoLoss, (w, l, b) => (w - l - 1 / (2 * b)) ** 2],
  exponential: [exponentialLoss, (w, l, b) => Math.exp(-b * (w - l))],
  robust: [
    robustLoss,
    (w, l, b, e) => (-(1 - e) * ls(b * (w - l)) + e * ls(-b * (w - l))) / (1 - 2 * e),
  ],
  exo: [exoLoss, (w, l, b, e) => {
    const q = s(b * (w - l));
    return q * (ls(b * (w - l)) - Math.log1p(-e)) + (1 - q) * (ls(-b * (w - l)) - Math.log(e));
  }],
  nca: [ncaLoss, (w, l, b) => -ls(b * w) - 0.5 * ls(-b * w) - 0.5 * ls(-b * l)],
  bco: [bcoLoss, (w, l, b) => -ls(b * w) - ls(-b * l)],
  sppo: [sppoLoss, (w, l, b) => (w - 0.5 / b) ** 2 + (l + 0.5 / b) ** 2],
  apoZero: [apoZeroLoss, (w, l, b) => 1 - s(b * w) + s(b * l)],
  apoDown: [apoDownLoss, (w, l, b) => s(b * w) + 1 - s(b * (w - l))],
  discopop: [discopopLoss, (w, l, b) => {
    const x = b * (w - l);
    const m = s(x / 0.05);
    return (1 - m) * -ls(x) + m * Math.exp(-x);
  }],
};

const side = number(-20, 0);
for (const [name, [loss, formula]] of Object.entries(byHand)) {
  Deno.test(`${name}: its formula, with and without lengths`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(side, side, side, side),
        number(0.05, 1),
        number(0.01, 0.4),
        async ([lw, ll, rw, rl], beta, labelSmoothing) => {
          const four = [vector([lw]), vector([ll]), vector([rw]), vector([rl])] as const;
          const expected = formula(lw - rw, ll - rl, beta, labelSmoothing);
          const actual = await loss(...four, { beta, labelSmoothing }).item();
          assertAlmostEquals(actual, expected, 1e-9 * (1 + Math.abs(expected)));
          const averaged = await loss(...four, {
            beta,
            labelSmoothing,
            chosenLengths: vector([4]),
            rejectedLengths: vector([5]),
          }).item();
          const short = formula((lw - rw) / 4, (ll - rl) / 5, beta, labelSmoothing);
          assertAlmostEquals(averaged, short, 1e-9 * (1 + Math.abs(short)));
        },
      ),
      modest,
    );
  });
}

Deno.test("aot: DPO's loss of sorted margins", async () => {
  const [lw, ll, rw, rl] = [[-1, -5, -3], [-2, -1, -9], [-2, -2, -2], [-3, -1, -4]] as const;
  const difference = (a: readonly number[], b: readonly number[]) =>
    a.map((x, i) => x - (b[i] ?? NaN));
  const sorted = (x: readonly number[]) => x.toSorted((a, b) => a - b);
  const losses = (margins: readonly number[]) => margins.map((d) => -ls(0.1 * d));
  const four = [vector(lw), vector(ll), vector(rw), vector(rl)] as const;
  await assertClose(
    aotLoss(...four),
    vector(losses(difference(sorted(difference(lw, ll)), sorted(difference(rw, rl))))),
  );
  await assertClose(
    aotUnpairedLoss(...four),
    vector(losses(difference(sorted(difference(lw, rw)), sorted(difference(ll, rl))))),
  );
});

/** All losses of pairs, and what they are where the policy is its reference, beta being 0.2. */
const atReference: Readonly<Record<PreferenceForm, [PreferenceLoss, number]>> = {
  dpo: [dpoLoss, Math.LN2],
  hinge: [hingeLoss, 1],
  ipo: [ipoLoss, 1 / (4 * 0.2 * 0.2)],
  exponential: [exponentialLoss, 1],
  robust: [robustLoss, Math.LN2],
  exo: [exoLoss, -Math.LN2 - (Math.log1p(-1e-3) + Math.log(1e-3)) / 2],
  nca: [ncaLoss, 2 * Math.LN2],
  bco: [bcoLoss, 2 * Math.LN2],
  // Two squares of 1/(2b).
  sppo: [sppoLoss, 1 / (2 * 0.2 * 0.2)],
  aot: [aotLoss, Math.LN2],
  "aot-unpaired": [aotUnpairedLoss, Math.LN2],
  "apo-zero": [apoZeroLoss, 1],
  "apo-down": [apoDownLoss, 1],
  discopop: [discopopLoss, (Math.LN2 + 1) / 2],
};

const divergences = [
  "reverse-kl",
  "forward-kl",
  "jensen-shannon",
  "alpha",
] as const satisfies readonly FDivergence[];

Deno.test("step 0: what each loss of pairs is where the policy is its reference", async () => {
  const [w, l] = [vector([-3, -7]), vector([-4, -1])];
  for (const [loss, value] of Object.values(atReference)) {
    await assertClose(loss(w, l, w, l, { beta: 0.2 }), vector([value, value]), 1e-9);
  }
});

Deno.test("divergences: scores, and alpha between reverse and forward KL", async () => {
  const ratio = vector([-1, 0, 0.7]);
  const expected: Readonly<Record<FDivergence, (d: number) => number>> = {
    "reverse-kl": (d) => d,
    "forward-kl": (d) => 1 - Math.exp(-d),
    "jensen-shannon": (d) => Math.LN2 + ls(d),
    alpha: (d) => (Math.exp(1.7 * d) - 1) / 1.7,
  };
  for (const divergence of divergences) {
    const values = [...await ratio.data()].map(expected[divergence]);
    await assertClose(divergenceScore(ratio, { divergence, alpha: 2.7 }), vector(values), 1e-12);
  }
  const alpha = (alpha: number) => divergenceScore(ratio, { divergence: "alpha", alpha });
  await assertClose(alpha(1), ratio, 0);
  for (const near of [1 - 1e-9, 1 + 1e-9]) await assertClose(alpha(near), ratio, 1e-8);
  await assertClose(alpha(0), divergenceScore(ratio, { divergence: "forward-kl" }), 1e-12);
  await assertClose(divergenceScore(ratio, { divergence: "alpha" }), alpha(0.5), 0);
});

theorem(
  "at its reference every loss of pairs is worth the same under every divergence",
  ({ dtype, tolerance }) =>
    fc.asyncProperty(
      side,
      side,
      number(0.05, 2),
      number(-3, 3),
      async (chosen, rejected, beta, alpha) => {
        const [w, l] = [tensor([chosen], { dtype }), tensor([rejected], { dtype })];
        for (const [form, [loss]] of Object.entries(atReference)) {
          const plain = await loss(w, l, w, l, { beta }).item();
          for (const divergence of divergences) {
            // It compares sorted log-probabilities, not log-ratios.
            if (form === "aot") continue;
            const value = await loss(w, l, w, l, { beta, divergence, alpha }).item();
            assertAlmostEquals(value, plain, tolerance * (1 + plain), `${form}, ${divergence}`);
          }
        }
      },
    ),
);

Deno.test("every loss of pairs says what it is at its reference under every divergence", () => {
  for (const form of namesOf(atReference)) {
    const { stepZero } = pairwise({ form, beta: 0.2 }).description;
    // Computed by the form itself, in some roundings of f64.
    assertAlmostEquals(stepZero ?? NaN, atReference[form][1], 1e-12);
    if (form === "aot") continue;
    for (const divergence of divergences) {
      assertEquals(pairwise({ form, beta: 0.2, divergence }).description.stepZero, stepZero);
    }
  }
});

Deno.test("a loss of pairs tells the label smoothing where it reads it, and only there", async () => {
  const [w, l] = [vector([-3, -1]), vector([-4, -5])];
  for (const form of namesOf(atReference)) {
    const [loss] = atReference[form];
    const at = (labelSmoothing: number) => loss(w, l, l, w, { labelSmoothing }).data();
    const isRead = String(await at(0.2)) !== String(await at(0.3));
    const { formula } = pairwise({ form, labelSmoothing: 0.2 }).description;
    assertEquals(formula.where.eps === "0.2", isRead, form);
    assertEquals(formulaText(formula).includes("(1-eps)"), isRead, form);
  }
  assertEquals(pairwise({ form: "dpo" }).description.formula, {
    terms: [{ expression: "mean -log sigmoid(beta d)" }],
    where: { beta: "0.1" },
  });
});

Deno.test("the documented table of preference losses has the formulas that are computed", async () => {
  const source = await Deno.readTextFile(
    new URL("../../objectives/preference_losses.ts", import.meta.url),
  );
  const documented = new Map(
    [...source.matchAll(/^ \* \| `([a-z-]+)` \| `([^`]+)`/gm)].map(([, form, formula]) => [
      form,
      formula,
    ]),
  );
  assertEquals([...documented.keys()], namesOf(atReference));
  for (const form of namesOf(atReference)) {
    // Of AOT without label smoothing, which the table leaves out there.
    const smoothing = form.startsWith("aot") ? {} : { labelSmoothing: 0.2 };
    const { formula } = pairwise({ form, ...smoothing }).description;
    const terms = [{ expression: `mean ${documented.get(form)}` }];
    assertEquals(formula.terms, terms, form);
  }
});

Deno.test("TRL 1.13: losses of other divergences, alpha on both sides of 1, with lengths", async () => {
  // DPOTrainer's loss of three pairs, beta 0.3, in f32; gradients on one token of the first chosen
  // and of the first rejected answer.
  const of = (values: readonly number[]) => vector(values);
  const policy = [
    of([-3.495333433151245, -2.5237674713134766, -4.688253879547119]),
    of([-1.586864709854126, -1.7657551765441895, -3.014166831970215]),
  ] as const;
  const reference = [
    of([-5.223081111907959, -3.138810157775879, -6.231012344360352]),
    of([-1.6977524757385254, -0.18275558948516846, -3.930215835571289]),
  ] as const;
  const lengths = { chosenLengths: of([4, 3, 5]), rejectedLengths: of([2, 1, 3]) };
  const alpha = (alpha: number) => ({ divergence: "alpha", alpha }) as const;
  const [forward, js] = [{ divergence: "forward-kl" }, { divergence: "jensen-shannon" }] as const;
  const printed = [
    [dpoLoss, forward, 0.49940189719200134, -0.007931911386549473, 0.039955005049705505],
    [dpoLoss, js, 0.6029324531555176, -0.0070064314641058445, 0.021933142095804214],
    [dpoLoss, alpha(0.5), 0.5125520825386047, -0.017786802724003792, 0.039920371025800705],
    [dpoLoss, alpha(2), 0.3751126825809479, -0.11556817591190338, 0.022942721843719482],
    [dpoLoss, alpha(-0.5), 0.47188615798950195, -0.0034564402885735035, 0.0390767976641655],
    [ipoLoss, forward, 3.5878846645355225, -0.04482284560799599, 0.4515675902366638],
    [ipoLoss, js, 1.8439682722091675, -0.0392584428191185, 0.24579161405563354],
    [ipoLoss, alpha(0.5), 1.9265308380126953, -0.10055956244468689, 0.45138803124427795],
    [ipoLoss, alpha(2), 0.9057714343070984, -0.5330718159675598, 0.211652010679245],
    [discopopLoss, alpha(2), 0.4630880355834961, -0.14543214440345764, 0.02887134812772274],
  ] as const;
  for (const [loss, options, value, chosen, rejected] of printed) {
    const told = { beta: 0.3, ...options, ...(loss === ipoLoss ? lengths : {}) };
    const mean = ([w, l]: readonly [Tensor, Tensor]) => div(sum(loss(w, l, ...reference, told)), 3);
    // A few roundings of f32 in the source.
    assertAlmostEquals(await mean(policy).item(), value, 1e-6 * (1 + value));
    const [ofChosen, ofRejected] = grad(mean)(policy);
    assertAlmostEquals((await ofChosen.data())[0] ?? NaN, chosen, 1e-6);
    assertAlmostEquals((await ofRejected.data())[0] ?? NaN, rejected, 1e-6);
  }
});

Deno.test("an answer without tokens has an average of 0, and no loss of pairs is NaN", async () => {
  const [w, l, none] = [vector([-3]), vector([0]), vector([0])];
  const lengths = { chosenLengths: vector([3]), rejectedLengths: none };
  for (const [form, [loss]] of Object.entries(atReference)) {
    const value = ([x, y]: readonly [Tensor, Tensor]) => sum(loss(x, y, w, l, lengths));
    assert(Number.isFinite(await value([w, l]).item()), form);
    const [a, b] = grad(value)([w, l] as const);
    assert(Number.isFinite(await a.item()) && Number.isFinite(await b.item()), form);
  }
});

Deno.test("reference-free losses and kto by hand", async () => {
  await fc.assert(
    fc.asyncProperty(side, side, number(0.05, 3), async (w, l, beta) => {
      const [chosen, rejected] = [vector([w - 1e-3]), vector([l - 1e-3])];
      const [a, b] = [w - 1e-3, l - 1e-3];
      const close = (x: Tensor, expected: number) =>
        assertClose(x, vector([expected]), 1e-9 * (1 + Math.abs(expected)));
      const smoothed = -0.9 * ls(beta * (a - b)) - 0.1 * ls(-beta * (a - b));
      await close(cpoLoss(chosen, rejected, { beta, labelSmoothing: 0.1 }), smoothed);
      await close(simpoLoss(chosen, rejected, { beta, gamma: 0.7 }), -ls(beta * (a - b) - 0.7));
      await close(simpoLoss(chosen, rejected, { beta }), -ls(beta * (a - b) - beta / 2));
      await close(simpoLoss(chosen, rejected), -ls(2 * (a - b) - 1));
      const odds = (x: number) => x - Math.log(-Math.expm1(x));
      await close(oddsRatioLoss(chosen, rejected), -ls(odds(a) - odds(b)));
      await close(orpoLoss(chosen, rejected, { beta }), -a - beta * ls(odds(a) - odds(b)));
      const options = { beta, desirableWeight: 2, undesirableWeight: 3 };
      await assertClose(
        ktoLoss(vector([a, a]), vector([b, b]), tensor([1, 0]), 0.4, options),
        vector([2 * (1 - s(beta * (a - b - 0.4))), 3 * (1 - s(beta * (0.4 - a + b)))]),
        1e-9,
      );
      await close(
        rewardModelLoss(chosen, rejected, { margin: 0.5, centering: 0.01 }),
        -ls(a - b - 0.5) + 0.01 * (a + b) ** 2,
      );
    }),
    modest,
  );
  // A penalty that has no weight reads nothing: not the sum of infinite scores.
  const [surely, never] = [vector([Infinity]), vector([-Infinity])];
  assertEquals(await rewardModelLoss(surely, never, { centering: 0 }).item(), 0);
  assertAlmostEquals(
    await ktoReferencePoint(vector([-1, -2]), vector([-2, -2])).item(),
    0.5,
  );
});

Deno.test("aggregation: the same terms divided in each way", async () => {
  const losses = tensor([[1, 2, 3], [4, Infinity, 9], [7, 7, 7]], f64);
  const mask = tensor([[1, 1, 1], [1, 0, 0], [0, 0, 0]]);
  const value = (normalizer: "token" | "sequence" | number) =>
    lossValue(aggregate(losses, mask, normalizer)).item();
  assertAlmostEquals(await value("token"), 10 / 4);
  assertAlmostEquals(await value("sequence"), (2 + 4) / 2);
  // The masked row is one of the three rows of a constant.
  assertAlmostEquals(await value(5), 10 / 3 / 5);
  assertAlmostEquals(await value(1), 10 / 3);
});

Deno.test("TRL 1.13: Dr. GRPO divides by a constant, a row without tokens or not", async () => {
  // GRPOTrainer's dr_grpo, in f32; the third row is masked.
  const logProbs = tensor([
    [-0.008527040481567383, -0.21113872528076172, -0.5716849565505981],
    [-0.12023258209228516, -1.543731689453125, -1.4873987436294556],
    [-0.9020626544952393, -1.598981261253357, -0.29968178272247314],
    [-0.9188104867935181, -0.35121047496795654, -1.8983657360076904],
  ], f64);
  const old = tensor([
    [0.08045921474695206, -0.38228410482406616, -0.3021019399166107],
    [-0.30760347843170166, -1.6680848598480225, -1.4275795221328735],
    [-1.0455348491668701, -1.4158780574798584, -0.5160645246505737],
    [-1.0664360523223877, -0.43003490567207336, -2.1957712173461914],
  ], f64);
  const mask = tensor([[1, 1, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1]]);
  const loss = (x: Tensor) =>
    lossValue(drGrpoLoss(x, old, vector([1.2, -0.7, 0.9, -0.4]), mask, { normalizer: 7 }));
  await assertClose(
    grad(loss)(logProbs),
    tensor([
      [-0.03920821100473404, -0.05085700377821922, -0.03272991254925728],
      [0.030151862651109695, 0.028310393914580345, 0],
      [0, 0, 0],
      [0.016558270901441574, 0.01545734889805317, 0.01923373155295849],
    ], f64),
    // A few roundings of f32 in the source.
    1e-7,
  );
  // All of a batch masked: nothing, divided by a constant.
  const nobody = drGrpoLoss(logProbs, old, vector([1, 1, 1, 1]), zeros([4, 3]), { normalizer: 7 });
  assertEquals(await nobody.normalizer.item(), 4);
  assertEquals(await lossValue(nobody).item(), 0);
});

Deno.test("sampled losses by hand", async () => {
  const [p, q] = [[-1, -2, -0.5], [-1.5, -1, -0.6]] as const;
  const [logProbs, old, mask] = [row(p), row(q), tensor([[1, 1, 1]])];
  const rho = p.map((x, t) => Math.exp(x - (q[t] ?? NaN)));
  const mean = (x: readonly number[]) => x.reduce((a, b) => a + b) / x.length;
  const value = (loss: Loss) => lossValue(loss).item();
  const surrogate = (r: number, a: number, low = 0.8, high = 1.2) =>
    -Math.min(r * a, Math.min(Math.max(r, low), high) * a);
  for (const a of [1.5, -2]) {
    const advantages = vector([a]);
    assertAlmostEquals(
      await value(reinforceLoss(logProbs, advantages, mask)),
      mean(p.map((x) => -a * x)),
      1e-12,
    );
    assertAlmostEquals(
      await value(ppoLoss(logProbs, old, advantages, mask)),
      mean(rho.map((r) => surrogate(r, a))),
      1e-12,
    );
    assertAlmostEquals(
      await value(ppoLoss(logProbs, old, advantages, mask, { epsilonHigh: 0.28 })),
      mean(rho.map((r) => surrogate(r, a, 0.8, 1.28))),
      1e-12,
    );
    assertAlmostEquals(
      await value(ppoLoss(logProbs, old, advantages, mask, { dualClip: 1.1 })),
      mean(rho.map((r) => a < 0 ? Math.min(surrogate(r, a), -1.1 * a) : surrogate(r, a))),
      1e-12,
    );
    const product = Math.exp(3 * (mean(p) - mean(q)));
    assertAlmostEquals(
      await value(rlooLoss(logProbs, old, advantages, mask)),
      surrogate(product, a),
      1e-12,
    );
    assertAlmostEquals(
      await value(cispoLoss(logProbs, old, advantages, mask, { cap: 1.2 })),
      mean(rho.map((r, t) => -Math.min(r, 1.2) * a * (p[t] ?? NaN))),
      1e-12,
    );
  }
  assertAlmostEquals(
    await value(dftLoss(logProbs, mask)),
    mean(p.map((x) => -Math.exp(x) * x)),
    1e-12,
  );
  const ratio = mean(p.map((x, t) => x - (q[t] ?? NaN)));
  assertAlmostEquals(
    await value(iwSftLoss(logProbs, old, mask)),
    -Math.exp(2 * ratio) * mean(p),
    1e-12,
  );
  assertAlmostEquals(
    await value(iwSftLoss(row([0, 0, 0]), row([-9, -9, -9]), mask)),
    0,
    1e-12,
  );
  assertAlmostEquals(
    await value(iwSftLoss(row([-1, -1, -1]), row([-9, -9, -9]), mask)),
    16,
    1e-9,
  );
});

Deno.test("value loss: the worse of the plain and the clipped error", async () => {
  const mask = tensor([[1, 1, 1, 0]]);
  const loss = valueLoss(row([1, 2, -1, 9]), row([1, 0, 0, 0]), row([2, 2, 2, 2]), mask);
  // (1-2)^2; clip(2) = .2, (.2-2)^2; clip(-1) = -.2, (-3)^2
  assertAlmostEquals(await lossValue(loss).item(), 0.5 * (1 + 3.24 + 9) / 3, 1e-12);
});

Deno.test("generalised JSD: by hand, and its ends are the two KLs", async () => {
  const [q, p] = [[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]] as const;
  const [student, teacher] = [log(row(q)), log(row(p))];
  const kl = (a: readonly number[], b: readonly number[]) =>
    a.reduce((total, x, i) => total + x * Math.log(x / (b[i] ?? NaN)), 0);
  const value = (beta: number) => generalizedJsd(student, teacher, { beta }).item();
  const mixed = p.map((x, i) => 0.3 * x + 0.7 * (q[i] ?? NaN));
  assertAlmostEquals(await value(0.3), 0.3 * kl(p, mixed) + 0.7 * kl(q, mixed), 1e-12);
  assertAlmostEquals(await value(0), kl(p, q), 1e-12);
  assertAlmostEquals(await value(1), kl(q, p), 1e-12);
  assertAlmostEquals(await generalizedJsd(student, add(student, 5)).item(), 0, 1e-12);
});

Deno.test("rewards stand at the last answer token, penalties at each", async () => {
  const mask = tensor([[0, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 0]]);
  const rewards = tokenRewards(
    vector([1, 2, 3]),
    mask,
    tensor([[9, 1, 1, 9], [9, 9, 1, 1], [
      1,
      1,
      1,
      1,
    ]], f64),
  );
  await assertClose(rewards, tensor([[0, -1, 0, 0], [0, 0, -1, 1], [0, 0, 0, 0]], f64), 0);
});

Deno.test("gradients are those of central differences", async () => {
  const [a, b, c, d] = [
    vector([-1.3, -4]),
    vector([-2.1, -3]),
    vector([-1.7, -5]),
    vector([-2.6, -2.2]),
  ];
  for (const [loss] of Object.values(byHand)) {
    await checkGradients(
      ([w, l]: readonly [Tensor, Tensor]) => loss(w, l, c, d, { beta: 0.3, labelSmoothing: 0.1 }),
      [a, b] as const,
    );
  }
  for (const divergence of divergences) {
    for (const alpha of [-0.5, 0.4, 1, 2]) {
      await checkGradients((w: Tensor) => dpoLoss(w, b, c, d, { divergence, alpha }), a);
    }
  }
  await checkGradients((w: Tensor) => aotLoss(w, b, c, d), a);
  await checkGradients((w: Tensor) => simpoLoss(w, b), a);
  await checkGradients((w: Tensor) => orpoLoss(w, b), a);
  await checkGradients((w: Tensor) => cpoLoss(w, b), a);
  await checkGradients((w: Tensor) => ktoLoss(w, b, tensor([1, 0]), 0.3), a);
  await checkGradients((w: Tensor) => rewardModelLoss(w, b, { centering: 0.1 }), a);

  const old = tensor([[-1, -2, -0.5], [-0.7, -1.1, -2]], f64);
  const now = tensor([[-1.1, -1.95, -0.32], [-0.75, -2.1, -1.2]], f64);
  const mask = tensor([[1, 1, 1], [0, 1, 1]]);
  const sampled: readonly ((x: Tensor) => Tensor)[] = [
    (x) => lossValue(ppoLoss(x, old, vector([1, -2]), mask)),
    (x) => lossValue(ppoLoss(x, old, vector([1, -2]), mask, { dualClip: 1.5 })),
    (x) => lossValue(gspoLoss(x, old, vector([1, -2]), mask, { epsilon: 0.5, epsilonHigh: 2 })),
    (x) => lossValue(rlooLoss(x, old, vector([1, -2]), mask, { epsilon: 0.9, epsilonHigh: 3 })),
    (x) => lossValue(klLoss(x, old, mask, { estimator: "k3" })),
    (x) => lossValue(klLoss(x, old, mask, { estimator: "k2" })),
    (x) => lossValue(valueLoss(x, old, add(old, 0.3), mask)),
  ];
  for (const loss of sampled) await checkGradients(loss, now);
  const logits = tensor([[[0.3, -1, 2], [1, 0, 0.5]]], f64);
  await checkGradients(
    (x: Tensor) => lossValue(entropyLoss(tokenEntropy(x), tensor([[1, 1]]))),
    logits,
  );
  for (const beta of [0, 0.3, 1]) {
    await checkGradients(
      (x: Tensor) => generalizedJsd(x, mul(logits, -0.5), { beta, temperature: 2 }),
      logits,
    );
  }
});

Deno.test("what stops gradients: advantages, weights, reference points, old values", async () => {
  const [logProbs, old, mask] = [row([-1, -2]), row([-1.1, -1.8]), tensor([[1, 1]])];
  const losses: readonly ((x: Tensor) => Tensor)[] = [
    (x) => lossValue(reinforceLoss(logProbs, x, mask)),
    (x) => lossValue(ppoLoss(logProbs, old, x, mask)),
    (x) => lossValue(cispoLoss(logProbs, old, x, mask)),
    (x) => lossValue(valueLoss(logProbs, x, old, mask)),
    (x) => lossValue(valueLoss(logProbs, old, x, mask)),
    (x) => ktoReferencePoint(sequenceLogProbs(x, mask), vector([-9])),
  ];
  for (const loss of losses) await assertClose(grad(loss)(row([0.5, -0.5])), row([0, 0]), 0);
  // -sg(p) log p has gradient -p; CISPO's -sg(rho) A / M.
  await assertClose(
    grad((x: Tensor) => lossValue(dftLoss(x, mask)))(logProbs),
    mul(exp(logProbs), -0.5),
  );
  await assertClose(
    grad((x: Tensor) => lossValue(cispoLoss(x, old, vector([3]), mask)))(logProbs),
    mul(exp(row([0.1, -0.2])), -1.5),
  );
});

Deno.test("infinite log-probabilities: documented values, and no NaN in a gradient", async () => {
  const impossible = vector([-Infinity]);
  const possible = vector([-2]);
  for (const [name, [loss]] of Object.entries(byHand)) {
    for (
      const [w, l, rw, rl] of [
        [impossible, possible, possible, possible],
        [possible, impossible, possible, possible],
        [impossible, impossible, possible, possible],
        [impossible, possible, impossible, possible],
        [impossible, impossible, impossible, impossible],
      ] as const
    ) {
      const value = await loss(w, l, rw, rl).item();
      assert(!Number.isNaN(value), `${name}: ${value}`);
      const gradient = await grad((x: Tensor) => sum(loss(x, l, rw, rl)))(w).item();
      assert(!Number.isNaN(gradient), `${name}: gradient ${gradient}`);
    }
    const nowhere = await loss(impossible, impossible, impossible, impossible).item();
    assertAlmostEquals(nowhere, await loss(possible, possible, possible, possible).item(), 1e-9);
  }
  for (const divergence of ["forward-kl", "jensen-shannon", "alpha"] as const) {
    for (const w of [impossible, possible]) {
      const value = await dpoLoss(w, impossible, possible, possible, { divergence }).item();
      assert(!Number.isNaN(value), `${divergence}: ${value}`);
    }
  }
  const certain = vector([0]);
  for (
    const value of [
      simpoLoss(impossible, impossible),
      oddsRatioLoss(certain, certain),
      oddsRatioLoss(impossible, certain),
      oddsRatioLoss(impossible, impossible),
      orpoLoss(certain, possible),
      cpoLoss(impossible, impossible),
      ktoLoss(impossible, impossible, tensor([1]), 0),
    ]
  ) {
    assert(!Number.isNaN(await value.item()));
  }
  const [logProbs, old] = [row([-Infinity, -1]), row([-1, -Infinity])];
  const mask = tensor([[1, 1]]);
  for (
    const loss of [
      (x: Tensor) => reinforceLoss(x, vector([0]), mask),
      (x: Tensor) => ppoLoss(x, old, vector([0]), mask),
      (x: Tensor) => cispoLoss(x, old, vector([0]), mask),
      (x: Tensor) => rlooLoss(x, old, vector([1]), mask),
      (x: Tensor) => klLoss(x, old, mask),
      (x: Tensor) => dftLoss(x, mask),
      (x: Tensor) => iwSftLoss(x, old, mask),
    ]
  ) {
    assert(!Number.isNaN(await lossValue(loss(logProbs)).item()), `${loss}`);
    const gradient = await grad((x: Tensor) => lossValue(loss(x)))(logProbs).data();
    assert(gradient.every((g) => !Number.isNaN(g)), `${loss}: ${gradient}`);
  }
  // An impossible token is a token without loss to those before it.
  const ofFirst = async (second: number) => {
    const loss = (x: Tensor) => propagationLoss(x, mask, { form: "as-run", gamma: 0.9 }).total;
    return (await grad(loss)(row([-1, second])).data())[0];
  };
  assertEquals(await ofFirst(-Infinity), await ofFirst(0));
  const masked = logSoftmax(tensor([[[0, -Infinity, 1]]], f64));
  const jsd = (x: Tensor) => generalizedJsd(x, tensor([[[-Infinity, 0, 1]]], f64));
  assert(Number.isFinite(await jsd(masked).item()));
  assertEquals(await lossValue(nllLoss(row([-Infinity]), tensor([[1]]))).item(), Infinity);
});

Deno.test("groups: equal rewards give 0, a single member is an error", async () => {
  const equal = vector([0.3, 0.3, 0.3, 0.3]);
  for (const estimate of [groupZScore, groupMeanBaseline, leaveOneOut, maxRl]) {
    await assertClose(estimate(equal, { groupSize: 2 }), vector([0, 0, 0, 0]), 1e-12);
    assertThrows(() => estimate(equal, { groupSize: 1 }), RangeError, "single member");
    assertThrows(() => estimate(equal, { groupSize: 3 }), ShapeError, "multiple of groupSize 3");
    assertThrows(() => estimate(vector([]), { groupSize: 2 }), ShapeError, "empty");
  }
  await assertClose(groupZScore(equal, { groupSize: 4, epsilon: 0 }), vector([0, 0, 0, 0]), 0);
  await assertClose(maxRl(vector([0, 0]), { groupSize: 2 }), vector([0, 0]), 0);
  await assertClose(batchZScore(vector([7])), vector([0]), 0);
  await assertClose(maskedWhiten(row([3, 9]), tensor([[1, 0]])), row([0, 6e4]), 1e-6);
  const kept = maskedWhiten(row([3, 9]), tensor([[1, 0]]), { shiftMean: false, epsilon: 0 });
  await assertClose(kept, row([3, 9]), 0);
  assertThrows(() => estimator("group-z-score", 1), RangeError, "single member");
});

Deno.test("hyperparameters out of range and shapes that differ are errors", () => {
  const [a, b] = [vector([-1, -2]), vector([-1])];
  const [x, y, mask] = [row([-1, -2]), row([-1]), tensor([[1, 1]])];
  const wrong: readonly [() => unknown, new () => Error, string][] = [
    [() => dpoLoss(a, b, a, a), ShapeError, "policyRejected [1]"],
    [() => dpoLoss(x, x, x, x), ShapeError, "expected all of them [B]"],
    [() => dpoLoss(vector([]), vector([]), vector([]), vector([])), ShapeError, "empty"],
    [
      () => dpoLoss(a, a, a, a, { beta: 0 }),
      RangeError,
      "beta: expected a number, above 0, got 0",
    ],
    [() => dpoLoss(a, a, a, a, { beta: NaN }), RangeError, "beta"],
    [() => dpoLoss(a, a, a, a, { labelSmoothing: 0.6 }), RangeError, "at least 0, at most 0.5"],
    [() => dpoLoss(a, a, a, a, { chosenLengths: b }), ShapeError, "chosenLengths [1]"],
    [() => robustLoss(a, a, a, a, { labelSmoothing: 0.5 }), RangeError, "below 0.5"],
    [() => exoLoss(a, a, a, a, { labelSmoothing: 0 }), RangeError, "above 0"],
    [() => discopopLoss(a, a, a, a, { temperature: 0 }), RangeError, "temperature"],
    [() => aotLoss(a, a, a, a, { divergence: "alpha" }), RangeError, "aot has no log-ratios"],
    [() => divergenceScore(a, { divergence: "alpha", alpha: NaN }), RangeError, "alpha"],
    [() => simpoLoss(a, a, { gamma: -1 }), RangeError, "gamma"],
    [() => cpoLoss(a, b), ShapeError, "rejected [1]"],
    [() => orpoLoss(a, a, { beta: -1 }), RangeError, "beta"],
    [() => ktoLoss(a, a, b, 0), ShapeError, "labels [1]"],
    [() => ktoLoss(a, a, a, 0, { desirableWeight: -1 }), RangeError, "desirableWeight"],
    [() => rewardModelLoss(a, a, { centering: -1 }), RangeError, "centering"],
    [() => ppoLoss(x, x, a, mask), ShapeError, "advantages [2]"],
    [() => ppoLoss(x, y, vector([1]), mask), ShapeError, "oldLogProbs [1, 1]"],
    [() => ppoLoss(x, x, vector([1]), mask, { epsilon: -0.1 }), RangeError, "epsilon"],
    [() => ppoLoss(x, x, vector([1]), mask, { dualClip: 1 }), RangeError, "above 1"],
    [() => ppoLoss(x, x, vector([1]), mask, { normalizer: 0 }), RangeError, "normalizer"],
    [() => cispoLoss(x, x, vector([1]), mask, { cap: 0 }), RangeError, "cap"],
    [
      () => gaeAdvantages(x, x),
      ShapeError,
      "gaeAdvantages: values: got shape [1, 2]; expected [1, 3]",
    ],
    [() => gaeAdvantages(x, row([0, 0, 0]), { gamma: 2 }), RangeError, "gamma"],
    [() => valueLoss(x, x, y, mask), ShapeError, "returns [1, 1]"],
    [() => generalizedJsd(x, y), ShapeError, "expected one shape"],
    [() => generalizedJsd(x, x, { beta: 2 }), RangeError, "beta"],
    [() => generalizedJsd(x, x, { temperature: 0 }), RangeError, "temperature"],
    [() => iwSftLoss(x, x, mask, { cap: 0 }), RangeError, "cap"],
    [() => aggregate(x, mask, -1), RangeError, "positive number"],
    [() => clippedLoss(zeros([0, 2]), zeros([0, 2]), zeros([0]), zeros([0, 2])), ShapeError, ""],
  ];
  for (const [f, error, message] of wrong) assertThrows(f, error, message);
  const short = tensor([[1]]);
  const named: Readonly<Record<string, () => unknown>> = {
    reinforceLoss: () => reinforceLoss(x, vector([1]), short),
    importanceRatio: () => importanceRatio(x, y, mask),
    klLoss: () => klLoss(x, x, short),
    iwSftLoss: () => iwSftLoss(x, y, mask),
    valueLoss: () => valueLoss(x, x, x, short),
    cpoLoss: () => cpoLoss(a, b),
    simpoLoss: () => simpoLoss(a, b),
    oddsRatioLoss: () => oddsRatioLoss(a, b),
    ktoLoss: () => ktoLoss(a, b, a, 0),
    rewardModelLoss: () => rewardModelLoss(a, b),
    aggregate: () => aggregate(x, short, "token"),
    sequenceLogProbs: () => sequenceLogProbs(x, short),
    tokenRewards: () => tokenRewards(vector([1]), mask, short),
  };
  for (const [name, f] of Object.entries(named)) {
    assertThrows(f, ShapeError, `${name}: got `);
  }
  // @ts-expect-error: no such estimator.
  assertThrows(() => klEstimate(a, a, "k4"), RangeError, "k1, k2, k3, k3-k2");
  // @ts-expect-error: a tensor and a number.
  assertThrows(() => klEstimate(a, 0), TypeError, "got one of each");
  // @ts-expect-error: no such level.
  assertThrows(() => importanceRatio(x, x, mask, "batch"), RangeError, "level");
});

theorem(
  "KL estimators: k3 >= 0; k2 and k3 agree to second order; k3-k2 is k3 with k2's gradient",
  ({ dtype, tolerance }) => {
    const at = (x: number) => tensor([x], { dtype });
    const of = (x: number, estimator: KlEstimator) => klEstimate(at(x), at(0), estimator).item();
    const slope = (x: number, estimator: KlEstimator) =>
      grad((p: Tensor) => sum(klEstimate(p, at(0), estimator)))(at(x)).item();
    return fc.asyncProperty(number(-3, 3), async (x) => {
      // e^-x - 1 + x is rounded where it is 0.
      assert(await of(x, "k3") >= -tolerance);
      assertAlmostEquals(await of(x, "k3-k2"), await of(x, "k3"), tolerance);
      for (const estimator of ["k1", "k2", "k3", "k3-k2"] as const) {
        const expected = klEstimate(x, 0, estimator);
        assertAlmostEquals(await of(x, estimator), expected, tolerance * (1 + expected ** 2));
      }
      assertAlmostEquals(await slope(x, "k3-k2"), x, tolerance);
      // The remainder of e^-x after x^2/2 is at most |x|^3 e^|x| / 6.
      const bound = Math.abs(x) ** 3 * Math.exp(Math.abs(x)) / 6 + tolerance;
      assert(Math.abs(await of(x, "k3") - await of(x, "k2")) <= bound);
    });
  },
);

Deno.test("KL estimators: k1 and k3 have the KL as their mean under the policy, to second order k2 too", async () => {
  const [p, q] = [[0.5, 0.2, 0.3], [0.48, 0.23, 0.29]] as const;
  const mean = async (estimator: KlEstimator) => {
    const values = await klEstimate(log(vector(p)), log(vector(q)), estimator).data();
    return p.reduce((total, weight, a) => total + weight * (values[a] ?? NaN), 0);
  };
  const kl = p.reduce((total, x, a) => total + x * Math.log(x / (q[a] ?? NaN)), 0);
  assertAlmostEquals(await mean("k1"), kl, 1e-12);
  assertAlmostEquals(await mean("k3"), kl, 1e-12);
  // Ratios are off 1 by less than .14: a third-order term of about .14^3 / 6.
  assertAlmostEquals(await mean("k2"), kl, 5e-4);
});
