/** Rows that begin alike as one sequence. */
import { assertEquals, assertThrows } from "@std/assert";
import { attention, joinedRows, reshape, ShapeError, slice, tensor, zeros } from "@unitune/core";

const lengths = tensor([2, 2, 1, 1], { dtype: "i32" });
const prefix = { groups: 2, lengths, longest: 2, rest: 2 };
const rows = tensor([[1, 2, 3, 4, 5], [1, 2, 6, 7, 8], [9, 10, 11, 12, 13], [9, 14, 15, 16, 17]]);

Deno.test("each beginning stands once, at the end of its columns, and the rest of each row behind", async () => {
  const { positions, join, part } = joinedRows(rows.shape, prefix);
  const joined = join(rows);
  assertEquals(joined.shape, [1, 12]);
  // Before the beginning of one token stands another column, which nothing sees.
  assertEquals([...await joined.data()], [1, 2, 9, 9, 3, 4, 6, 7, 10, 11, 14, 15]);
  assertEquals([...await positions.data()], [0, 1, 0, 0, 2, 3, 2, 3, 1, 2, 1, 2]);
  const parted = [...await part(joined).data()];
  assertEquals(parted, [
    ...[1, 2, 3, 4, 4],
    ...[1, 2, 6, 7, 7],
    ...[9, 10, 11, 11, 11],
    ...[9, 14, 15, 15, 15],
  ]);
});

Deno.test("the last rows are read no further than they go", async () => {
  const { join, positions } = joinedRows([2, 3], {
    ...{ groups: 1, longest: 2, rest: 4 },
    lengths: tensor([2, 2], { dtype: "i32" }),
  });
  assertEquals([...await join(tensor([[1, 2, 3], [1, 2, 4]])).data()], [
    1,
    2,
    3,
    3,
    3,
    3,
    4,
    4,
    4,
    4,
  ]);
  assertEquals([...await positions.data()], [0, 1, 2, 2, 2, 2, 2, 2, 2, 2]);
});

Deno.test("a window reaches as far back as in the rows themselves", async () => {
  const values = tensor(
    Float32Array.from({ length: 4 * 5 * 3 }, (_, i) => Math.sin(i % 15 < 6 ? i % 15 : i)),
    { shape: [4, 5, 1, 3] },
  );
  const alike = { ...prefix, lengths: tensor([2, 2, 2, 2], { dtype: "i32" }), rest: 3 };
  const { join, part, attend } = joinedRows(values.shape, alike);
  for (const window of [1, 2, 3]) {
    const x = join(values);
    const joined = [...await part(attend(x, x, x, { window })).data()];
    const apart = [...await attention(values, values, values, { causal: true, window }).data()];
    joined.forEach((one, i) => {
      assertEquals(
        Math.abs(one - (apart[i] ?? NaN)) < 1e-6,
        true,
        `window ${window}, element ${i}`,
      );
    });
  }
});

Deno.test("one row of each group is a group of its own", async () => {
  const ofFirst = tensor([2, 1], { dtype: "i32" });
  const { join } = joinedRows([2, 5], { ...prefix, lengths: ofFirst });
  const first = slice(reshape(rows, [2, 10]), 1, 0, 5);
  assertEquals([...await join(first).data()], [1, 2, 9, 9, 3, 4, 10, 11]);
});

Deno.test("rows that are no groups, other lengths and sizes below 1 are refused", () => {
  assertThrows(
    () => joinedRows([3, 5], { ...prefix, lengths: tensor([2, 2, 1], { dtype: "i32" }) }),
    ShapeError,
    "joinedRows: got 3 rows in 2 groups and lengths i32[3]; expected groups of as many rows each",
  );
  assertThrows(() => joinedRows([2, 5], prefix), ShapeError, "and lengths i32[2]");
  assertThrows(
    () => joinedRows([4, 5], { ...prefix, lengths: slice(rows, 1, 0, 1) }),
    ShapeError,
    "lengths f32[4, 1]",
  );
  for (const name of ["groups", "longest", "rest"] as const) {
    assertThrows(
      () => joinedRows([4, 5], { ...prefix, [name]: 0 }),
      RangeError,
      `joinedRows: ${name}`,
    );
  }
  const { attend } = joinedRows([4, 5], prefix);
  const wrong = zeros([1, 11, 1, 2]);
  assertThrows(() => attend(wrong, wrong, wrong), ShapeError, "joinedRows: queries");
});
