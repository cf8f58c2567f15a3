/** The tokens that answers to one prompt have in common, and models that read them once. */
import { assertEquals, assertLess, assertThrows } from "@std/assert";
import { grad } from "@unitune/autodiff";
import {
  type DType,
  evaluate,
  key,
  leafPaths,
  mul,
  sum,
  type Tensor,
  tensor,
  where,
} from "@unitune/core";
import { gpt } from "@unitune/models";
import { commonPrefix, type Demonstrations, modelOf, scoreTokens } from "@unitune/objectives";

const T = 8;

/** Two groups of three answers: to 7 8 9, of which one repeats the prompt's last token, and to 5. */
const rows = [
  [7, 8, 9, 1, 2, 0, 0, 0],
  [7, 8, 9, 9, 0, 0, 0, 0],
  [7, 8, 9, 3, 1, 2, 4, 0],
  [5, 1, 0, 0, 0, 0, 0, 0],
  [5, 2, 2, 2, 2, 0, 0, 0],
  [5, 1, 6, 0, 0, 0, 0, 0],
];
const prompts = [3, 3, 3, 1, 1, 1];
const ends = [5, 4, 7, 2, 5, 3];
const mask = rows.map((row, i) =>
  row.map((_, t) => Number(t >= (prompts[i] ?? 0) && t < (ends[i] ?? 0)))
);
const elements = { ids: rows.flat(), mask: mask.flat() };
const sizes = { rows: 6, groupSize: 3, longest: 3, rest: 4 };

const lengthsOf = async (given: Parameters<typeof commonPrefix>) => {
  const prefix = commonPrefix(...given);
  return prefix && [...await prefix.lengths.data()];
};

Deno.test("a group has in common what stands before its first learned token", async () => {
  assertEquals(await lengthsOf([elements, sizes]), [3, 3, 3, 1, 1, 1]);
  assertEquals(await lengthsOf([elements, { ...sizes, longest: 2, rest: 5 }]), [2, 2, 2, 1, 1, 1]);
  assertEquals(await lengthsOf([elements, { ...sizes, rest: 3 }]), [3, 3, 3, 1, 1, 1]);
  // Rows that are not learned at all differ where they differ.
  const unlearned = { ...elements, mask: elements.mask.map((one, i) => i < T ? 0 : one) };
  assertEquals(await lengthsOf([unlearned, sizes]), [3, 3, 3, 1, 1, 1]);
  const given = commonPrefix(elements, sizes);
  assertEquals([given?.groups, given?.longest, given?.rest], [2, 3, 4]);
});

Deno.test("rows are read by themselves where they have nothing in common, or too much behind it", () => {
  assertEquals(commonPrefix(elements, { ...sizes, rest: 2 }), undefined);
  assertEquals(commonPrefix(elements, { ...sizes, groupSize: 1 }), undefined);
  assertEquals(commonPrefix(elements, { ...sizes, groupSize: 4 }), undefined);
  assertEquals(commonPrefix(elements, { ...sizes, groupSize: 6 }), undefined);
  const learned = { ...elements, mask: elements.mask.map((one, i) => i === 0 ? 1 : one) };
  assertEquals(commonPrefix(learned, sizes), undefined);
  for (const name of ["rows", "groupSize", "longest", "rest"] as const) {
    assertThrows(
      () => commonPrefix(elements, { ...sizes, [name]: 0 }),
      RangeError,
      `commonPrefix: ${name}`,
    );
  }
});

Deno.test("a model that reads a prompt once gives its answers the same scores and gradients", async () => {
  const model = gpt({ vocabulary: 10, context: T, layers: 1, heads: 2, width: 4, dropout: 0 });
  const params = model.init(key(3));
  const of = (values: number[][], dtype: DType) => tensor(values, { dtype });
  const batch: Demonstrations = { ids: of(rows, "i32"), mask: of(mask, "f32") };
  const prefix = commonPrefix(elements, sizes);
  if (prefix === undefined) throw new RangeError("the rows have something in common");
  const weights = of(rows.map((row, i) => row.map((_, t) => Math.sin(1 + i * T + t))), "f32");
  /** A weighted sum of the log-probabilities of the answers. */
  const scored = (own: typeof params, batch: Demonstrations): Tensor => {
    const logProbs = scoreTokens(modelOf(model, own), batch);
    return sum(mul(weights, where(of(mask, "bool"), logProbs, 0)));
  };
  const [apart, joined] = [batch, { ...batch, prefix }];
  const difference = async (a: Tensor, b: Tensor) => {
    const other = await b.data();
    return Array.from(await a.data())
      .reduce((most, x, i) => Math.max(most, Math.abs(x - (other[i] ?? NaN))), 0);
  };
  // Sums of some tens of terms of size 1 in f32.
  assertLess(await difference(scored(params, joined), scored(params, apart)), 1e-5);
  const expected = leafPaths(evaluate(grad(scored)(params, apart)));
  for (const [path, leaf] of leafPaths(evaluate(grad(scored)(params, joined)))) {
    const other = expected.get(path);
    assertLess(other === undefined ? NaN : await difference(leaf, other), 1e-5, path);
  }
});
