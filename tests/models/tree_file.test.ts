import { assertEquals, assertThrows } from "@std/assert";
import { allocate, decodeSafetensors, type DType, mul, tensor } from "@unitune/core";
import { CheckpointError, decodeTree, encodeTree } from "@unitune/models";
import fc from "fast-check";

const dtypes: readonly DType[] = ["f32", "f64", "i32", "u32", "bool"];

/** Elements of any bits, NaN with a payload included. */
const bits = fc.uint8Array({ minLength: 24, maxLength: 24 });

function elementsOf(dtype: DType, bytes: Uint8Array) {
  const data = allocate(dtype, 3);
  if (dtype === "bool") data.set(bytes.slice(0, 3).map((byte) => byte % 2));
  else new Uint8Array(data.buffer).set(bytes.subarray(0, data.byteLength));
  return data;
}

for (const dtype of dtypes) {
  Deno.test(`every bit of ${dtype} is kept`, async () => {
    await fc.assert(fc.asyncProperty(bits, async (bytes) => {
      const data = elementsOf(dtype, bytes);
      const tree = { a: [tensor(data, { dtype, shape: [1, 3] })], note: "static" };
      const restored = decodeTree(tree, await encodeTree(tree));
      assertEquals(restored.a[0]?.shape, [1, 3]);
      assertEquals(restored.note, "static");
      const read = await restored.a[0]?.data();
      assertEquals(new Uint8Array(read?.buffer ?? []), new Uint8Array(data.buffer));
    }));
  });
}

const tree = {
  moments: [{ weight: tensor([1, 2]) }, { weight: mul(tensor([[3, 4]]), 2) }],
  step: tensor(5, { dtype: "i32" }),
};

Deno.test("tensors are named by their paths, expressions are computed", async () => {
  const { tensors } = decodeSafetensors(await encodeTree(tree));
  assertEquals(
    Object.fromEntries([...tensors].map(([name, { dtype, shape }]) => [name, [dtype, shape]])),
    {
      "moments[0].weight": ["F32", [2]],
      "moments[1].weight": ["F32", [1, 2]],
      step: ["I32", []],
    },
  );
  const { moments } = decodeTree(tree, await encodeTree(tree));
  assertEquals(await moments[1]?.weight.data(), new Float32Array([6, 8]));
});

const others: Record<string, readonly [like: unknown, message: string]> = {
  "a tensor less": [{ moments: tree.moments }, "unknown step: read the file with the settings"],
  "a tensor more": [{ ...tree, more: tensor(1) }, "missing more"],
  "another shape": [
    { ...tree, step: tensor([5], { dtype: "i32" }) },
    "step is i32[], expected i32[1]",
  ],
  "another type": [{ ...tree, step: tensor(5) }, "step is i32[], expected f32[]"],
  "three tensors less": [
    {},
    "unknown moments[0].weight, moments[1].weight, step: read the file",
  ],
  "four tensors more": [
    { ...tree, a: tensor(1), b: tensor(2), c: tensor(3), d: tensor(4) },
    "missing a, b, c, and 1 more: read the file",
  ],
  "everything else": [
    { a: tensor(1) },
    "missing a; unknown moments[0].weight, moments[1].weight, step",
  ],
};

for (const [name, [like, message]] of Object.entries(others)) {
  Deno.test(`a file is not read as a tree with ${name}`, async () => {
    const bytes = await encodeTree(tree);
    assertThrows(() => decodeTree(like, bytes), CheckpointError, message);
  });
}
