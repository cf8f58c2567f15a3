/** Parts of an optimizer: together they make the updates, and have the state, of the whole. */
import { assert, assertEquals } from "@std/assert";
import {
  adafactor,
  adamw,
  adamw8bit,
  type GradientTransform,
  lion,
  masked,
  muon,
  rmsprop,
  sgd,
} from "@unitune/autodiff";
import { add, key, leafPaths, normal, type Tensor, tensor, type TypedArray } from "@unitune/core";

const optimizers: Readonly<Record<string, GradientTransform<unknown>>> = {
  adamw: adamw(0.1),
  adamw8bit: adamw8bit(0.1),
  adafactor: adafactor(0.1),
  muon: muon(0.1, { mask: (path) => path !== "head" }),
  rmsprop: rmsprop(0.1, { momentum: 0.5 }),
  lion: lion(0.1),
  sgd: sgd(0.1, { momentum: 0.9 }),
};

/** Large enough for moments of 8 bits, matrices and vectors; -0 is no 0. */
const params = {
  blocks: [{ weight: normal(key(1), [64, 64]), bias: tensor([-0, 1]) }],
  head: normal(key(2), [3, 2]),
};
const gradient = {
  blocks: [{ weight: normal(key(3), [64, 64]), bias: tensor([0.5, -0]) }],
  head: normal(key(4), [3, 2]),
};

/** The elements of a tree's tensors by path. */
async function elementsOf(tree: unknown): Promise<Map<string, TypedArray>> {
  const read = [...leafPaths(tree)].map(async ([path, leaf]: [string, Tensor]) =>
    [path, await leaf.data()] as const
  );
  return new Map(await Promise.all(read));
}

for (const [name, whole] of Object.entries(optimizers)) {
  Deno.test(`${name}: what its parts do is what it does`, async () => {
    const ofMatrices = masked((path) => path.endsWith("weight"), whole);
    const ofOthers = masked((path) => !path.endsWith("weight"), whole);
    const twice = async <S>(optimizer: GradientTransform<S>) => {
      const first = optimizer.update(gradient, optimizer.init(params), params);
      const { updates, state } = optimizer.update(gradient, first.state, params);
      return { updates: await elementsOf(updates), state: await elementsOf(state) };
    };
    const [all, own, others] = [await twice(whole), await twice(ofMatrices), await twice(ofOthers)];
    const isMatrix = (path: string) => path.endsWith("weight");
    for (const [path, update] of all.updates) {
      const [by, other] = isMatrix(path) ? [own, others] : [others, own];
      assertEquals(by.updates.get(path), update);
      assert(Array.from(other.updates.get(path) ?? []).every((x) => Object.is(x, -0)));
    }
    // Only counts of steps are in both.
    for (const [path, values] of own.state) {
      assertEquals(others.state.get(path) ?? values, values, path);
    }
    assertEquals(
      [...new Map([...others.state, ...own.state])].toSorted(),
      [...all.state].toSorted(),
    );
  });
}

Deno.test("an update of a part leaves the bits of the others, -0 among them", async () => {
  const { init, update } = masked((path) => path === "head", sgd(1));
  const { updates } = update(gradient, init(params), params);
  const [block] = updates.blocks;
  assert(block !== undefined);
  const after = await add(tensor([-0, 1]), block.bias).data();
  assertEquals(Array.from(after, (x) => Object.is(x, -0)), [true, false]);
});
