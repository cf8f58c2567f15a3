import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { grad } from "@unitune/autodiff";
import { type DType, ShapeError, type Tensor, tensor, zeros } from "@unitune/core";
import {
  lossToGo,
  lossValue,
  nllLoss,
  type Normalizer,
  type PropagationForm,
  propagationLoss,
  propagationWeights,
} from "@unitune/objectives";
import fc from "fast-check";
import { assertClose, rowsOf } from "./arbitrary.ts";
import { theorem } from "./theorem.ts";

const forms: readonly PropagationForm[] = [
  "none",
  "eq21",
  "eq21-decay",
  "as-run",
  "as-run-detached",
  "reach",
];

/** The worked numbers: rows of 4 and of 3 answer tokens, the second one padded. */
const worked = (dtype: DType) => ({
  logProbs: tensor([[-1, -0.5, -2, -0.3], [-0.2, -1.5, -0.7, -5]], { dtype }),
  mask: tensor([[1, 1, 1, 1], [1, 1, 1, 0]]),
});

// 1e-10 is half a unit of the last printed digit, rounded up; 1e-6 is some units of f32.
for (const [dtype, tolerance] of [["f64", 1e-10], ["f32", 1e-6]] as const) {
  Deno.test(`worked numbers: loss and weights in ${dtype}`, async () => {
    const { logProbs, mask } = worked(dtype);
    const loss = (gamma: number) => lossValue(propagationLoss(logProbs, mask, { gamma })).item();
    assertAlmostEquals(await loss(0.95), 0.9509853946, tolerance);
    assertAlmostEquals(await loss(0), 0.875, tolerance);
    await assertClose(
      propagationWeights(logProbs, mask, { gamma: 0.95 }),
      tensor([
        [1.6091106951, 1.2149488867, 1.0394676424, 0.1364727758],
        [1.3218626446, 1.2681212476, 0.4100161078, 0],
      ], { dtype: "f64" }),
      tolerance,
    );
    await assertClose(propagationWeights(logProbs, mask, { gamma: 0 }), mask, 0);
  });
}

Deno.test("weights are of log-probs and a mask that fit", () => {
  const weights = (shape: readonly number[], masked: readonly number[]) => () =>
    propagationWeights(zeros(shape), zeros(masked));
  assertThrows(weights([2, 3], [2, 2]), ShapeError, "propagationWeights: got log-probs [2, 3]");
  assertThrows(weights([3], [3]), ShapeError, "expected both [B, T]");
  assertThrows(weights([0, 3], [0, 3]), ShapeError, "the batch is empty");
});

Deno.test("worked numbers: gradients of row 0, negative weight on the easy last token", async () => {
  const { logProbs, mask } = worked("f64");
  const gradient = (form: PropagationForm) =>
    rowsOf(grad((l: Tensor) => lossValue(propagationLoss(l, mask, { form })))(logProbs));
  const expected: [PropagationForm, number[]][] = [
    ["as-run", [-0.19635572, -0.1141097, -0.14614303, 0.01212949]],
    ["as-run-detached", [-0.20113884, -0.15186861, -0.12993346, -0.0170591]],
  ];
  for (const [form, row] of expected) {
    const [actual = []] = await gradient(form);
    // Printed to 8 digits.
    row.forEach((value, k) => assertAlmostEquals(actual[k] ?? NaN, value, 6e-9, `${form} ${k}`));
  }
});

/** Log-probs and a mask with gaps; every row has an answer. */
const evidence = fc.record({
  rows: fc.integer({ min: 1, max: 4 }),
  length: fc.integer({ min: 1, max: 8 }),
}).chain(({ rows, length }) =>
  fc.array(
    fc.record({
      logProbs: fc.array(fc.double({ min: -6, max: -1e-3, noNaN: true }), {
        minLength: length,
        maxLength: length,
      }),
      mask: fc.array(fc.constantFrom<number>(0, 1), { minLength: length, maxLength: length })
        .filter((row) => row.includes(1)),
    }),
    { minLength: rows, maxLength: rows },
  )
).map((rows) => ({
  rows,
  logProbs: tensor(rows.map((row) => row.logProbs), { dtype: "f64" }),
  mask: tensor(rows.map((row) => row.mask), { dtype: "f64" }),
}));
const gammas = fc.oneof(fc.constantFrom(0, 0.95, 1), fc.float({ min: 0, max: 1, noNaN: true }));
const modest = { numRuns: 40 };

/** sum_i f(i) over lo <= i < hi. */
function total(lo: number, hi: number, f: (i: number) => number): number {
  let sum = 0;
  for (let i = lo; i < hi; i++) sum += f(i);
  return sum;
}

/** The definitions and closed-form gradients of ../shared/facts, as loops over one row. */
function byHand(logProbs: readonly number[], mask: readonly number[], gamma: number) {
  const length = mask.length;
  const answer = (t: number) => mask[t] ?? 0;
  const l = (t: number) => answer(t) === 1 ? -(logProbs[t] ?? NaN) : 0;
  const toGo = (g: number) => (t: number) =>
    answer(t) * total(t, length, (i) => g ** (i - t) * l(i));
  const seen = (g: number) => (k: number) => total(0, k + 1, (t) => answer(t) * g ** (k - t));
  const c = toGo(gamma);
  const a = (k: number) => total(0, k + 1, (t) => gamma ** (k - t) * l(t));
  const count = total(0, length, answer);
  const plain = {
    loss: total(0, length, l) / count,
    gradient: () => 1 / count,
  };
  const sumC = total(0, length, c);
  const w = (t: number) => answer(t) * (1 - gamma + gamma * Math.exp(-total(0, t, l)));
  const sumW = total(0, length, w);
  const loss = total(0, length, (t) => l(t) * c(t)) / sumC;
  const rules: Record<PropagationForm, { loss: number; gradient: (k: number) => number }> = {
    none: plain,
    eq21: { loss: total(0, length, toGo(1)), gradient: seen(1) },
    "eq21-decay": { loss: sumC, gradient: seen(gamma) },
    "as-run": gamma === 0
      ? plain
      : { loss, gradient: (k) => (c(k) + a(k) - loss * seen(gamma)(k)) / sumC },
    "as-run-detached": gamma === 0 ? plain : { loss, gradient: (k) => c(k) / sumC },
    reach: {
      loss: total(0, length, (t) => l(t) * w(t)) / sumW,
      gradient: (k) => w(k) / sumW,
    },
  };
  return {
    of: (form: PropagationForm) => rules[form],
    // The gradient with respect to log p_k is minus that with respect to l_k.
    gradient: (form: PropagationForm) =>
      mask.map((_, k) => answer(k) === 1 ? -rules[form].gradient(k) : 0),
  };
}

for (const form of forms) {
  Deno.test(`${form}: loss and gradient are those of the closed form`, async () => {
    await fc.assert(
      fc.asyncProperty(evidence, gammas, async ({ rows, logProbs, mask }, gamma) => {
        const hand = rows.map((row) => byHand(row.logProbs, row.mask, gamma));
        const loss = lossValue(propagationLoss(logProbs, mask, { form, gamma }));
        const mean = hand.reduce((sum, row) => sum + row.of(form).loss, 0) / rows.length;
        assertAlmostEquals(await loss.item(), mean, 1e-9 * (1 + Math.abs(mean)));

        const gradient = grad((l: Tensor) => lossValue(propagationLoss(l, mask, { form, gamma })))(
          logProbs,
        );
        const expected = hand.map((row) => row.gradient(form).map((g) => g / rows.length));
        await assertClose(gradient, tensor(expected, { dtype: "f64" }), 1e-9);
      }),
      modest,
    );
  });

  Deno.test(`${form}: sum_t l_t dL/dl_t = L, and (1/M) sum_t w_t l_t = L`, async () => {
    await fc.assert(
      fc.asyncProperty(evidence, gammas, async ({ rows, logProbs, mask }, gamma) => {
        const { total } = propagationLoss(logProbs, mask, { form, gamma });
        const gradient = await rowsOf(
          grad((l: Tensor) => propagationLoss(l, mask, { form, gamma }).total)(logProbs),
        );
        const weights = await rowsOf(propagationWeights(logProbs, mask, { form, gamma }));
        let euler = 0;
        let weighted = 0;
        rows.forEach((row, b) => {
          const count = row.mask.reduce((sum, m) => sum + m, 0);
          row.logProbs.forEach((logProb, t) => {
            euler += logProb * (gradient[b]?.[t] ?? NaN);
            weighted += (weights[b]?.[t] ?? NaN) * -logProb / count;
          });
        });
        const expected = await total.item();
        assertAlmostEquals(euler, expected, 1e-9 * (1 + expected));
        assertAlmostEquals(weighted, expected, 1e-9 * (1 + expected));
      }),
      modest,
    );
  });
}

Deno.test("as run, the weights of a row average 1 and are 0 off the answer", async () => {
  await fc.assert(
    fc.asyncProperty(evidence, gammas, async ({ rows, logProbs, mask }, gamma) => {
      const weights = await rowsOf(propagationWeights(logProbs, mask, { gamma }));
      rows.forEach((row, b) => {
        const count = row.mask.reduce((sum, m) => sum + m, 0);
        const sum = weights[b]?.reduce((sum, w) => sum + w, 0) ?? NaN;
        assertAlmostEquals(sum / count, 1, 1e-12);
        row.mask.forEach((m, t) => assert(m === 1 || weights[b]?.[t] === 0));
      });
    }),
    modest,
  );
});

Deno.test("reach: no token is pushed away, and a stop token is as on a mixture of trajectories", async () => {
  // Two answers of two tokens, a and a stop; p(a) = 1/4 at the start, p(stop) = 1/2 after it. A model
  // that drives half of the trajectories is at the gold state of the stop in 1/4 of its own, so that
  // state has the weight 1/2 + 1/2 x 1/4 = 5/8 beside the 1 of the start.
  const logProbs = tensor([[Math.log(1 / 4), Math.log(1 / 2)]], { dtype: "f64" });
  const mask = tensor([[1, 1]]);
  const options = { form: "reach", gamma: 0.5 } as const;
  const loss = (l: Tensor) => lossValue(propagationLoss(l, mask, options));
  const [row] = await rowsOf(grad(loss)(logProbs));
  // Sums of two terms in f64.
  assertAlmostEquals(row?.[0] ?? NaN, -8 / 13, 1e-15);
  assertAlmostEquals(row?.[1] ?? NaN, -5 / 13, 1e-15);
  // As run, the easy stop token of a hard answer is made less likely; here it never is.
  await fc.assert(
    fc.asyncProperty(evidence, gammas, async ({ rows, logProbs, mask }, gamma) => {
      const [gradients, share] = [
        await rowsOf(
          grad((l: Tensor) => propagationLoss(l, mask, { form: "reach", gamma }).total)(logProbs),
        ),
        1 - gamma,
      ];
      rows.forEach((row, b) => {
        const own = (gradients[b] ?? []).filter((_, t) => row.mask[t] === 1);
        const [first = NaN] = own;
        for (const value of own) {
          // Rounding in f64 of sums of 8 terms.
          assert(value <= 0 && value <= first * share + 1e-15 && value >= first - 1e-15);
        }
      });
    }),
    modest,
  );
});

theorem(
  "the loss to go is the Bellman recursion c_t = l_t + g c_{t+1}",
  ({ dtype, tolerance }) =>
    fc.asyncProperty(evidence, gammas, async ({ rows }, gamma) => {
      const losses = tensor(rows.map((row) => row.logProbs), { dtype });
      const toGo = await rowsOf(lossToGo(losses, gamma));
      rows.forEach((row, b) =>
        row.logProbs.forEach((l, t) =>
          assertAlmostEquals(
            toGo[b]?.[t] ?? NaN,
            l + gamma * (toGo[b]?.[t + 1] ?? 0),
            tolerance * (1 + Math.abs(toGo[b]?.[t] ?? NaN)),
          )
        )
      );
    }),
);

Deno.test("gamma = 0 is no propagation; as gamma goes to 0 it is not (kept counterexample)", async () => {
  const { logProbs, mask } = worked("f64");
  const loss = (gamma: number) => lossValue(propagationLoss(logProbs, mask, { gamma })).item();
  assertAlmostEquals(await loss(0), 0.875, 1e-12);
  // sum l^2 / sum l, by row.
  const limit = ((1 + 0.25 + 4 + 0.09) / 3.8 + (0.04 + 2.25 + 0.49) / 2.4) / 2;
  assertAlmostEquals(await loss(1e-9), limit, 1e-8);
});

/** Rows that have no proper value by the formulas alone; what each loss makes of them. */
const losses: readonly [string, typeof nllLoss][] = [
  ...(["token", "sequence"] satisfies Normalizer[]).map((
    normalizer,
  ): [string, typeof nllLoss] => [
    `nll by ${normalizer}`,
    (logProbs, mask) => nllLoss(logProbs, mask, { normalizer }),
  ]),
  ...forms.map((form): [string, typeof nllLoss] => [
    `propagation ${form}`,
    (logProbs, mask) => propagationLoss(logProbs, mask, { form }),
  ]),
];

Deno.test("nll by a constant: a row without an answer adds nothing, and is one of the rows", async () => {
  const f64 = { dtype: "f64" } as const;
  const [logProbs, mask] = [tensor([[-1, -2], [-3, -4]], f64), tensor([[1, 1], [0, 0]])];
  const loss = nllLoss(logProbs, mask, { normalizer: 2 });
  assertEquals([await loss.total.item(), await loss.normalizer.item()], [3 / 2, 2]);
});

for (const [name, loss] of losses) {
  const f64 = { dtype: "f64" } as const;

  Deno.test(`${name}: a row without an answer adds nothing and is not counted`, async () => {
    const alone = loss(tensor([[-1, -2]], f64), tensor([[1, 1]]));
    const beside = loss(tensor([[-1, -2], [-3, -4]], f64), tensor([[1, 1], [0, 0]]));
    await assertClose(beside, alone, 0);
    const nothing = loss(tensor([[-3, -4]], f64), tensor([[0, 0]]));
    assertEquals([await nothing.total.item(), await nothing.normalizer.item()], [0, 0]);
    assertEquals(await lossValue(nothing).item(), 0);
  });

  Deno.test(`${name}: certain tokens cost nothing, and their gradient is finite`, async () => {
    const certain = zeros([1, 3], "f64");
    const mask = tensor([[0, 1, 1]]);
    assertEquals(await lossValue(loss(certain, mask)).item(), 0);
    const gradient = await grad((l: Tensor) => lossValue(loss(l, mask)))(certain).data();
    assertEquals(gradient[0], 0);
    for (const g of gradient.slice(1)) assert(Number.isFinite(g) && g < 0, `${gradient}`);
  });

  Deno.test(`${name}: what is masked is not looked at; an impossible token costs infinity`, async () => {
    const mask = tensor([[1, 0, 1]]);
    const value = (logProb: number) =>
      lossValue(loss(tensor([[-1, logProb, -2]], f64), mask)).item();
    assertEquals(await value(-Infinity), await value(-7));
    assertEquals(await value(NaN), await value(-7));
    const impossible = tensor([[-1, -3, -Infinity]], f64);
    assertEquals(await lossValue(loss(impossible, mask)).item(), Infinity);
  });

  Deno.test(`${name}: wrong shapes and empty batches are errors`, () => {
    assertThrows(() => loss(zeros([2, 3]), zeros([2, 2])), ShapeError, "expected both [B, T]");
    assertThrows(() => loss(zeros([3]), zeros([3])), ShapeError, "expected both [B, T]");
    assertThrows(() => loss(zeros([0, 3]), zeros([0, 3])), ShapeError, "empty");
    assertThrows(() => loss(zeros([2, 0]), zeros([2, 0])), ShapeError, "empty");
  });
}
