/**
 * Losses and gradients of whole entries, with options, as the code of their methods computes them:
 * scripts/methods/entries.py.
 */
import { assert, assertAlmostEquals } from "@std/assert";
import { grad } from "@unitune/autodiff";
import { gather, type Tensor, tensor } from "@unitune/core";
import {
  entryNamed,
  evaluationLoss,
  type GivenOptions,
  modelOf,
  type Objective,
  objectiveRegistry,
  policyOfLogits,
  type ScoredBatches,
  scoreTokens,
} from "@unitune/objectives";

type Rows = readonly (readonly number[])[];

/** An entry with options on the vectors' batch, its loss, and its gradient in the policy's table. */
interface Computed {
  readonly entry: string;
  readonly given: "nothing" | "demonstrations" | "hint" | "hints";
  readonly step: number;
  readonly options: GivenOptions;
  readonly loss: number;
  readonly gradient: readonly number[];
}

const golden: {
  readonly temperature: number;
  readonly tables: Readonly<Record<"policy" | "reference" | "old" | "teacher", Rows>>;
  readonly ids: Rows;
  readonly mask: Rows;
  readonly privileged: { readonly ids: Rows; readonly mask: Rows };
  readonly rewards: readonly number[];
  readonly given: Readonly<Record<Computed["given"], Rows>>;
  readonly cases: readonly Computed[];
} = JSON.parse(await Deno.readTextFile(new URL("method_entries.json", import.meta.url)));

const double = (values: readonly number[] | Rows) => tensor(values, { dtype: "f64" });
const tokens = ({ ids, mask }: { readonly ids: Rows; readonly mask: Rows }) => ({
  ids: tensor(ids, { dtype: "i32" }),
  mask: double(mask),
});

/** The logits of the next token are the last token's row of a table. */
const bigrams = policyOfLogits<Tensor>({
  embed: (table, ids) => gather(table, ids),
  logits: (_, embeddings) => embeddings,
});

const modelBy = (name: keyof typeof golden.tables) => modelOf(bigrams, double(golden.tables[name]));
const [reference, old, teacher] = [modelBy("reference"), modelBy("old"), modelBy("teacher")];

const demonstrations = tokens(golden);
const sampled = { ...demonstrations, temperature: golden.temperature };
const batches = {
  demonstrations: {
    ...demonstrations,
    referenceLogProbs: scoreTokens(reference, demonstrations),
  },
  rollouts: {
    ...sampled,
    oldLogProbs: scoreTokens(old, sampled),
    referenceLogProbs: scoreTokens(reference, sampled),
    rewards: double(golden.rewards),
    privileged: tokens(golden.privileged),
  },
} satisfies Partial<ScoredBatches>;

/** The loss of a case, of the policy's table. */
function lossOf({ entry: name, given, step, options }: Computed): (table: Tensor) => Tensor {
  const context = { step: tensor(step, { dtype: "i32" }) };
  const of = <B>(objective: Objective<B>, batch: B) => (table: Tensor) => {
    const model = modelOf(bigrams, table);
    const collected = objective.collect(model, batch, context);
    return evaluationLoss(objective.evaluate(model, collected, context));
  };
  const entry = entryNamed(objectiveRegistry, name);
  const models = { reference, teacher };
  if (entry?.data === "demonstrations") {
    return of(entry.make(options, models), batches.demonstrations);
  }
  if (entry?.data === "rollouts") {
    const batch = { ...batches.rollouts, given: double(golden.given[given]) };
    return of(entry.make(options, models), batch);
  }
  throw new RangeError(`the registry has no ${name} on demonstrations or rollouts`);
}

// One test, since each table of 25 numbers takes little, and starting a test as much.
Deno.test("losses and gradients of entries are those of the methods' code, with options", async () => {
  const policy = double(golden.tables.policy);
  for (const computed of golden.cases) {
    const name = `${computed.entry} ${JSON.stringify(computed.options)}`;
    const loss = lossOf(computed);
    // A schedule is f32; all else is f64, of which twelve digits are kept.
    const tolerance = computed.entry === "chord-mu" ? 1e-6 : 1e-9;
    assertAlmostEquals(await loss(policy).item(), computed.loss, tolerance, name);
    const own = await grad(loss)(policy).data();
    assert(own.length === computed.gradient.length);
    computed.gradient.forEach((value, i) =>
      assertAlmostEquals(own[i] ?? NaN, value, tolerance, `${name} ${i}`)
    );
  }
});
