/** Policies in a world: what they read is not what they said, but what the world answered. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { grad } from "@unitune/autodiff";
import {
  add,
  cast,
  categorical,
  concat,
  evaluate,
  gather,
  key,
  less,
  matmul,
  mul,
  normal,
  oneHot,
  slice,
  sub,
  type Tensor,
  tensor,
  zeros,
} from "@unitune/core";
import {
  type Demonstrations,
  dpo,
  type Environment,
  evaluationLoss,
  gold,
  ift,
  intuitive,
  modelOf,
  type Objective,
  type Policy,
  policyOfLogits,
  rolloutsOf,
  scheduled,
  scoreTokens,
  sft,
  stateText,
} from "@unitune/objectives";
import fc from "fast-check";
import { assertClose, context, idsOf } from "./arbitrary.ts";
import { entriesOf, type Parts, worldOf, worlds } from "./worlds.ts";

/** The loss of an objective and its gradient by the parameters. */
function outcomeOf<P, B>(policy: Policy<P>, objective: Objective<B>, params: P, batch: B) {
  const loss = (p: P) => {
    const collected = objective.collect(modelOf(policy, params), batch, context);
    return evaluationLoss(objective.evaluate(modelOf(policy, p), collected, context));
  };
  return { loss: loss(params), gradient: grad(loss)(params) };
}

/** Those that ask for own tokens, of which a world must answer, or whose reference reads text. */
const readText = [
  ...["ift", "scheduled-sampling", "intuitive-dpo", "intuitive-grpo", "distillation"],
  ...["asft", "on-policy-distillation", "sdft", "opsd", "sdpo", "minillm", "iw-opd", "gkd"],
];

Deno.test("in a world that answers every token in other words, every objective is the same", async () => {
  await fc.assert(
    fc.asyncProperty(worlds, async (options) => {
      // The world speaks of token k as of 10 - k.
      const other = (ids: Tensor) => sub(10, ids);
      const inText = worldOf(options);
      const inWorld = worldOf({ ...options, observe: other });
      const answers = new Map(entriesOf(inWorld).map((entry) => [entry.name, entry]));
      for (const entry of entriesOf(inText).filter(({ name }) => !readText.includes(name))) {
        const said = entry.use(({ policy, objective, batch }) =>
          outcomeOf(policy, objective, inText.params, batch)
        );
        const answered = answers.get(entry.name)?.use(<B>({ policy, objective, batch }: Parts<B>) =>
          outcomeOf(
            { ...policy, embed: (params, ids) => policy.embed(params, other(ids)) },
            objective,
            inWorld.params,
            batch,
          )
        );
        assert(answered !== undefined);
        await assertClose(answered.loss, said.loss);
        for (const name of ["table", "mixing"] as const) {
          await assertClose(answered.gradient[name], said.gradient[name]);
        }
      }
    }),
    { numRuns: 1 },
  );
});

const CELLS = 5;

/** The remainder of a number of cells that is less than two rounds. */
const onRing = (x: Tensor) => sub(x, mul(cast(less(CELLS - 1, x), "i32"), CELLS));

/** A ring of cells: an action is how many cells to go on. */
const ring: Environment = (observed, actions) => onRing(add(observed, actions));

interface Walker {
  readonly first: Tensor;
  readonly second: Tensor;
}

/** A policy of three actions on the ring. */
const walker = policyOfLogits<Walker>({
  embed: ({ first }, ids) => gather(first, ids),
  logits: ({ second }, embeddings) => matmul(embeddings, second),
});

function walkerOf(seed: number): Walker {
  return evaluate({ first: normal(key(seed), [CELLS, 4]), second: normal(key(seed + 1), [4, 3]) });
}

/** A walk from cell 0: the actions, and the cells that they lead to. */
function walkOf(actions: readonly number[]): Demonstrations {
  const cells = actions.reduce<number[]>((path, a) => [...path, ((path.at(-1) ?? 0) + a) % CELLS], [
    0,
  ]);
  return {
    ids: idsOf([[0, ...actions]]),
    mask: tensor([[0, ...actions.map(() => 1)]]),
    observations: idsOf([cells]),
  };
}

/** The same policy over texts of actions: a token's embedding is that of the cell reached by it. */
const reader: Policy<Walker> = {
  ...walker,
  embed({ first }, ids) {
    const [, length = 0] = ids.shape;
    const cells: Tensor[] = [];
    for (let t = 0; t < length; t++) {
      const action = slice(ids, 1, t, t + 1);
      const before = cells.at(-1);
      cells.push(before === undefined ? action : ring(before, action, {}));
    }
    return gather(first, concat(cells, 1));
  },
};

Deno.test("a state that is a prefix of actions and the cell that they lead to are one", async () => {
  const walks = fc.array(fc.nat(2), { minLength: 2, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(walks, fc.nat(1e5), async (actions, seed) => {
      const params = walkerOf(seed);
      const { observations, ...text } = walkOf(actions);
      assert(observations !== undefined);
      const inWorld = outcomeOf(walker, sft(), params, { ...text, observations });
      const inText = outcomeOf(reader, sft(), params, text);
      await assertClose(inWorld.loss, inText.loss);
      await assertClose(inWorld.gradient.first, inText.gradient.first);
      await assertClose(inWorld.gradient.second, inText.gradient.second);
    }),
    { numRuns: 20 },
  );
});

Deno.test("the own state is the world's answer to the own action from the human's state", async () => {
  // From cell c the walker would do (c mod 3).
  const params = {
    first: oneHot(tensor([0, 1, 2, 0, 1], { dtype: "i32" }), 3, "f32"),
    second: tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
  };
  const batch = walkOf([2, 1, 1]);
  const states = intuitive({ lambda: 0.25, environment: ring });
  const model = modelOf(walker, params);
  const collected = states.collect(model, batch, context);
  // Read: cells 0, 2, 3. From 0 it stays at 0, from 2 it goes on by 2, to 4.
  assertEquals(await collected.own.data(), new Int32Array([0, 0, 4]));
  const { logits } = states.evaluate(model, collected, context);
  // 0; then 3/4 of cell 2 and 1/4 of cell 0; then 3/4 of cell 3 and 1/4 of cell 4.
  assertEquals(
    await logits().data(),
    new Float32Array([1, 0, 0, 0.25, 0, 0.75, 0.75, 0.25, 0]),
  );
  assertEquals(
    stateText(states.description.modelStates),
    "(1 - lambda) s*_n + lambda step(s*_{n-1}, argmax pi(s*_{n-1})), where lambda = 0.25",
  );
});

Deno.test("with lambda = gamma = 0 IFT is SFT in a world, too", async () => {
  const params = walkerOf(7);
  const batch = walkOf([1, 2, 2, 0]);
  const supervised = outcomeOf(walker, sft(), params, batch);
  const own = { lambda: 0, gamma: 0, environment: ring };
  const fine = outcomeOf(walker, ift(own), params, batch);
  await assertClose(fine.loss, supervised.loss);
  await assertClose(fine.gradient.first, supervised.gradient.first);
});

Deno.test("a world may be random; its draws are the key's", async () => {
  const slippery: Environment = (observed, actions, { key: drawn }) => {
    if (drawn === undefined) return ring(observed, actions, {});
    const slips = categorical(drawn, zeros([...observed.shape, 2]));
    return ring(observed, add(actions, slips), {});
  };
  const model = modelOf(walker, walkerOf(1));
  const batch = walkOf([1, 2, 2, 0]);
  const states = intuitive({ environment: slippery });
  const own = (keys?: { readonly step: Tensor; readonly batch: Tensor }) =>
    states.collect(model, batch, { ...context, ...(keys === undefined ? {} : { keys }) }).own
      .data();
  const keys = { step: key(0), batch: key(1) };
  assertEquals(await own(keys), await own(keys));
  assert(String(await own(keys)) !== String(await own()));
  const replaced = scheduled({ lambda: 1, own: "argmax", environment: slippery });
  assertEquals(
    await replaced.collect(model, batch, { ...context, keys }).own.data(),
    await own(keys),
  );
});

Deno.test("rollouts in a world are scored on what was read", async () => {
  const model = modelOf(walker, walkerOf(3));
  const samples = [[2, 1], [0, 1, 1]].map((completion) => {
    const cells = completion.reduce<number[]>(
      (path, a) => [...path, ((path.at(-1) ?? 0) + a) % 5],
      [
        0,
      ],
    );
    return { prompt: [0], completion, observations: cells };
  });
  const batch = await rolloutsOf(model, samples, () => 1);
  assert(batch.observations !== undefined);
  assertEquals(await batch.observations.data(), new Int32Array([0, 2, 3, 0, 0, 0, 1, 2]));
  await assertClose(batch.oldLogProbs, scoreTokens(model, batch));
  const { logits } = gold.evaluate(model, batch, context);
  const { logits: expected } = model.predict(model.embed(idsOf([[0, 2, 3], [0, 0, 1]])));
  await assertClose(logits(), expected());
});

Deno.test("pairs in a world are read on both sides", async () => {
  const params = walkerOf(5);
  const pairs = { chosen: walkOf([1, 1, 2]), rejected: walkOf([2, 2, 0]) };
  const inWorld = dpo({ reference: modelOf(walker, walkerOf(6)) });
  const inText = dpo({ reference: modelOf(reader, walkerOf(6)) });
  const text = ({ ids, mask }: Demonstrations) => ({ ids, mask });
  await assertClose(
    outcomeOf(walker, inWorld, params, pairs).loss,
    outcomeOf(reader, inText, params, {
      chosen: text(pairs.chosen),
      rejected: text(pairs.rejected),
    })
      .loss,
  );
});

Deno.test("what a world cannot answer is refused", () => {
  const message = assertThrows(
    () => intuitive({ own: "expected", environment: ring }),
    TypeError,
  ).message;
  assertStringIncludes(message, "argmax or sampled");
  const batch = { ...walkOf([1, 1]), observations: idsOf([[0, 1]]) };
  assertThrows(
    () => gold.collect(modelOf(walker, walkerOf(0)), batch, context),
    Error,
    "expected i32[1, 3], one for each token",
  );
});
