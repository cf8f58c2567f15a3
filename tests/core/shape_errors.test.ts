import { assertEquals, assertThrows } from "@std/assert";
import * as core from "@unitune/core";
import { ShapeError, type Tensor, tensor, zeros } from "@unitune/core";

const ids = zeros([2], "i32");
const truths = zeros([2], "bool");
const key = core.key(1);

/** What is wrong, and what its message must tell: the operation, the shapes, what was expected. */
const cases: Readonly<Record<string, { of: () => unknown; tells: readonly string[] }>> = {
  "add of shapes that do not broadcast": {
    of: () => core.add(zeros([2, 3]), zeros([4])),
    tells: ["add", "[2, 3] and [4]", "axis -1: 3 against 4", "equal sizes or 1"],
  },
  "add of two dtypes": {
    of: () => core.add(zeros([2]), ids),
    tells: ["add", "f32[2], i32[2]", "one number dtype"],
  },
  "add of truth values": {
    of: () => core.add(truths, truths),
    tells: ["add", "bool[2]", "number dtype"],
  },
  "exp of integers": { of: () => core.exp(ids), tells: ["exp", "i32[2]", "float dtype"] },
  "and of numbers": { of: () => core.and(ids, ids), tells: ["and", "i32[2]", "bool dtype"] },
  "a fraction beside integers": {
    of: () => core.add(ids, 0.5),
    tells: ["fill", "0.5 is no i32", "cast"],
  },
  "a truth value of 2": { of: () => core.full([2], 2, "bool"), tells: ["fill", "2 is no bool"] },
  "where of a condition of numbers": {
    of: () => core.where(zeros([2]), 1, 2),
    tells: ["where", "f32[2]", "bool condition"],
  },
  "where of shapes that do not broadcast": {
    of: () => core.where(truths, zeros([3]), 0),
    tells: ["where", "[2] and [3]"],
  },
  "isNumber of integers": { of: () => core.isNumber(ids), tells: ["isNumber", "i32", "floats"] },
  "a negative size": { of: () => zeros([2, -1]), tells: ["fill", "[2, -1] is no shape"] },
  "iota along no axis": { of: () => core.iota([2, 3], 2), tells: ["iota", "[2, 3]", "axis 2"] },
  "reshape to another size": {
    of: () => core.reshape(zeros([2, 3]), [4]),
    tells: ["reshape", "f32[2, 3]", "4 elements for shape [4]"],
  },
  "reshape that does not divide": {
    of: () => core.reshape(zeros([2, 3]), [4, -1]),
    tells: ["reshape", "[2, 3]", "multiple of 4", "[4, -1]"],
  },
  "reshape with two free axes": {
    of: () => core.reshape(zeros([4]), [-1, -1]),
    tells: ["reshape", "only one axis may be -1", "[-1, -1]"],
  },
  "transpose by no permutation": {
    of: () => core.transpose(zeros([2, 3]), [0, 0]),
    tells: ["transpose", "f32[2, 3]", "[0, 0]"],
  },
  "transpose of too few axes": {
    of: () => core.transpose(zeros([2, 3]), [0]),
    tells: ["transpose", "a permutation of all axes", "[0]"],
  },
  "transposeLast of a vector": {
    of: () => core.transposeLast(zeros([3])),
    tells: ["transposeLast", "[3]", "two axes"],
  },
  "broadcastTo a smaller shape": {
    of: () => core.broadcastTo(zeros([2, 3]), [3]),
    tells: ["broadcastTo", "[2, 3]", "[3]"],
  },
  "unsqueeze beyond the rank": {
    of: () => core.unsqueeze(zeros([2]), 2),
    tells: ["unsqueeze", "axis 2 does not exist"],
  },
  "squeeze of a wide axis": {
    of: () => core.squeeze(zeros([2, 3]), 1),
    tells: ["squeeze", "axis 1 of [2, 3]", "size 1"],
  },
  "slice beyond the end": {
    of: () => core.slice(zeros([2, 3]), 1, 1, 4),
    tells: ["slice", "f32[2, 3]", "0 <= start <= end <= size", "[0, 1] to [2, 4]"],
  },
  "slice that ends before it starts": {
    of: () => core.slice(zeros([5]), 0, 3, 2),
    tells: ["slice", "f32[5]", "[3] to [2]"],
  },
  "concat of nothing": { of: () => core.concat([], 0), tells: ["concat", "at least one tensor"] },
  "concat of shapes that differ elsewhere": {
    of: () => core.concat([zeros([2, 3]), zeros([2, 4])], 0),
    tells: ["concat", "f32[2, 3], f32[2, 4]", "differ along axis 0 only"],
  },
  "stack of two shapes": {
    of: () => core.stack([zeros([2]), zeros([3])]),
    tells: ["f32[1, 2], f32[1, 3]", "differ along axis 0 only"],
  },
  "split into uneven parts": {
    of: () => core.split(zeros([2, 5]), 2, 1),
    tells: ["split", "axis 1 of [2, 5]", "2 even parts"],
  },
  "sum over an axis that does not exist": {
    of: () => core.sum(zeros([2, 3]), { axes: [2] }),
    tells: ["sum", "axis 2", "[2, 3]"],
  },
  "sum over an axis twice": {
    of: () => core.sum(zeros([2, 3]), { axes: [1, -1] }),
    tells: ["sum", "axis -1 is named twice"],
  },
  "sum of truth values": {
    of: () => core.sum(truths),
    tells: ["sum", "bool[2]", "cast the truth values"],
  },
  "max over nothing": { of: () => core.max(zeros([0])), tells: ["f32[0]", "at least one"] },
  "mean of integers": { of: () => core.mean(ids), tells: ["mean", "i32", "floats"] },
  "argmax over nothing": {
    of: () => core.argmax(zeros([2, 0])),
    tells: ["argmax", "f32[2, 0]", "at least one"],
  },
  "argsort of a scalar": {
    of: () => core.argsort(zeros([])),
    tells: ["argsort", "f32[]", "at least one axis"],
  },
  "the primitive expand of an axis that is not 1": {
    of: () => core.apply("expand", [zeros([2, 3])], { shape: [4, 3] }),
    tells: ["expand", "[2, 3]", "a shape that stretches to [4, 3]"],
  },
  "the primitive expand to more axes": {
    of: () => core.apply("expand", [zeros([3])], { shape: [2, 3] }),
    tells: ["expand", "[3]", "a shape that stretches to [2, 3]"],
  },
  "matmul of depths that differ": {
    of: () => core.matmul(zeros([2, 3]), zeros([4, 5])),
    tells: ["matmul", "[2, 3] and [4, 5]", "[..., M, K] and [..., K, N]"],
  },
  "matmul of a vector": {
    of: () => core.matmul(zeros([3]), zeros([3, 4])),
    tells: ["matmul", "[3] and [3, 4]"],
  },
  "matmul of rows in a batch with a matrix of another depth": {
    of: () => core.matmul(zeros([2, 3, 4]), zeros([5, 6])),
    tells: ["matmul", "[2, 3, 4] and [5, 6]", "[..., M, K] and [..., K, N]"],
  },
  "matmul of batches of depths that differ": {
    of: () => core.matmul(zeros([1, 2, 3]), zeros([7, 5, 6])),
    tells: ["matmul", "[1, 2, 3] and [7, 5, 6]", "[..., M, K] and [..., K, N]"],
  },
  "matmul of batches that do not broadcast": {
    of: () => core.matmul(zeros([2, 3, 4]), zeros([5, 4, 1])),
    tells: ["matmul", "[2] and [5]"],
  },
  "matmul of integers": {
    of: () => core.matmul(zeros([2, 2], "i32"), zeros([2, 2], "i32")),
    tells: ["matmul", "i32[2, 2]", "floats"],
  },
  "gather at ids that are floats": {
    of: () => core.gather(zeros([2, 3]), zeros([2])),
    tells: ["gather", "f32[2, 3], f32[2]", "i32 ids"],
  },
  "scatterAdd of updates that do not fit": {
    of: () => core.scatterAdd(ids, zeros([3, 4]), 5),
    tells: ["scatterAdd", "i32[2], f32[3, 4]", "[...ids, ...row]"],
  },
  "takeAlongAxis at too few ids": {
    of: () => core.takeAlongAxis(zeros([3, 4]), ids),
    tells: ["takeAlongAxis", "[3, 4]", "[2]", "[..., V] and [...]"],
  },
  "reorder by an order of another shape": {
    of: () => core.reorder(zeros([3]), ids),
    tells: ["reorder", "[3]", "[2]", "one shape"],
  },
  "dynamicSlice longer than the axis": {
    of: () => core.dynamicSlice(zeros([2, 3]), 1, 0, 4),
    tells: ["dynamicSlice", "f32[2, 3]", "room for 4 along axis 1"],
  },
  "dynamicSlice from a float": {
    of: () => core.dynamicSlice(zeros([3]), 0, tensor(0), 1),
    tells: ["dynamicSlice", "f32[3], f32[]", "a start i32 []"],
  },
  "dynamicUpdate longer than the axis": {
    of: () => core.dynamicUpdate(zeros([2, 3]), 1, 0, zeros([2, 4])),
    tells: ["dynamicUpdate", "f32[2, 3], f32[2, 4]", "fits along axis 1"],
  },
  "dynamicSlice with starts along their own axis": {
    of: () => core.dynamicSlice(zeros([2, 3]), 0, zeros([2], "i32"), 1),
    tells: ["dynamicSlice", "i32[2]", "behind the first axis i32 [N]"],
  },
  "dynamicUpdate with too few starts": {
    of: () => core.dynamicUpdate(zeros([2, 3]), 1, zeros([1], "i32"), zeros([2, 1])),
    tells: ["dynamicUpdate", "i32[1]", "a start i32 []"],
  },
  "random numbers of rows from too few keys": {
    of: () =>
      core.apply("randomBits", [zeros([2, 2], "u32"), zeros([2, 2], "u32")], { shape: [3] }),
    tells: ["randomBits", "u32[2, 2]", "one of each for a row of [3]"],
  },
  "keys folded off numbers in no row": {
    of: () => core.foldKeys(key, zeros([2, 1], "i32")),
    tells: ["foldKeys: data", "[2, 1]", "[N]"],
  },
  "random numbers from no key": {
    of: () => core.uniform(zeros([2]), [3]),
    tells: ["randomBits", "f32[2]", "u32[2]"],
  },
  "a categorical of f64": {
    of: () => core.categorical(key, zeros([3], "f64")),
    tells: ["add", "f64[3], f32[3]"],
  },
};

for (const [name, { of, tells }] of Object.entries(cases)) {
  Deno.test(`${name} is refused`, () => {
    const { message } = assertThrows(of, ShapeError);
    assertEquals(tells.filter((part) => !message.includes(part)), [], message);
  });
}

Deno.test("a primitive given too few operands names itself", () => {
  const none: Tensor[] = [];
  assertThrows(() => core.apply("add", none, {}), ShapeError, "add: got ; expected 2 operands");
  assertThrows(() => core.apply("concat", none, { axis: 0 }), ShapeError, "one or more operands");
});
