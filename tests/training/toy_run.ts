/** A run of two stages whose learners follow a rule that is easy to predict, on a model of no size. */
import {
  add,
  evaluate,
  key,
  leavesOf,
  mapTree,
  mean,
  mul,
  outline,
  type Tensor,
  tensor,
  wasm,
} from "@unitune/core";
import { byteTokenizer, encodeConversation, gpt } from "@unitune/models";
import {
  type Learner,
  memoryStore,
  type Models,
  type RolloutSample,
  type Split,
  type StagePlan,
  type TrainingPlan,
} from "@unitune/training";

const tokenizer = byteTokenizer();
const sizes = { vocabulary: tokenizer.size, context: 8, layers: 1, heads: 1, width: 4 };
export const model = gpt({ ...sizes, dropout: 0 });
const device = wasm();

/** Parameters, and what the learner carries from step to step. */
interface ToyState {
  readonly params: Models["policy"];
  readonly moment: Tensor;
}

const sample: RolloutSample = { prompt: "a", answer: "b", reward: 0.5, rewards: { toy: 0.5 } };

/** How a toy learner differs from the others. */
export interface ToyOptions {
  /** Whether it samples answers. */
  readonly samples?: boolean;
  /** Called before each step with its number in the stage, from 0, and the share of a budget spent. */
  readonly before?: (index: number, spent?: number) => void;
  /** The loss of a step, from the step's number in the stage. */
  readonly loss?: (index: number) => number;
  /** Added to all weights in a step, by the step's number in the stage (default: by the rule). */
  readonly added?: (index: number) => number;
  /** The padding of a step, from the step's number in the stage (default: none is told). */
  readonly padding?: (index: number) => number;
  /** The share of a step's answers that nobody could judge (default: none is told). */
  readonly unscorable?: (index: number) => number;
  /** Something to know of its data. */
  readonly notes?: readonly string[];
}

/** The last tensor of a tree, in the order of its paths: a GPT's token embedding. */
function lastLeaf(tree: unknown): Tensor {
  const leaf = leavesOf(tree).at(-1);
  if (leaf === undefined) throw new RangeError("the tree has no tensors");
  return leaf;
}

/** `moment <- moment / 2 + step`, `params <- params + moment / 1000`. */
export function toyLearner({ policy }: Models, options: ToyOptions = {}): Learner<ToyState> {
  const { samples = false, before = () => {}, loss, added, padding, notes = [] } = options;
  const { unscorable } = options;
  return {
    setUp: { examples: 0, forwardTokens: 100, backwardTokens: 0 },
    notes,
    epoch: (steps) => steps / 4,
    init: () => {
      const params = mapTree(policy, (leaf) => add(leaf, 0));
      return evaluate({ params, moment: tensor(0) }, device);
    },
    like: () => mapTree({ params: policy, moment: tensor(0) }, outline),
    step({ params, moment }, index, spent) {
      before(index, spent);
      const next = add(mul(moment, 0.5), index);
      const state = evaluate({
        params: mapTree(params, (leaf) => add(leaf, added?.(index) ?? mul(next, 1e-3))),
        moment: next,
      }, device);
      return Promise.resolve({
        state,
        metrics: {
          loss: loss === undefined ? mean(lastLeaf(state.params)) : tensor(loss(index)),
          grad_norm: next,
          ...samples && { reward: tensor(index) },
          ...padding !== undefined && { padding: tensor(padding(index)) },
          ...unscorable !== undefined && { unscorable: tensor(unscorable(index)) },
        },
        samples: samples ? [sample] : [],
        cost: { examples: 1, forwardTokens: 3, backwardTokens: 2 },
      });
    },
    models: ({ params }) => ({ policy: params }),
    validate: ({ moment }) => moment.item().then((value) => ({ eval_moment: value })),
    [Symbol.dispose]: () => {},
  };
}

/** A stage of a toy learner. */
export function toyStage(
  steps: number,
  options: ToyOptions & { looksBack?: boolean; budget?: number } = {},
): StagePlan {
  const { budget } = options;
  return {
    steps,
    ...budget !== undefined && { budget },
    looksBack: options.looksBack ?? false,
    learner: (start) => Promise.resolve<Learner>(toyLearner(start, options)),
    lent: () => Promise.resolve({}),
  };
}

const conversation = (text: string) =>
  encodeConversation(tokenizer, [
    { role: "user", content: text },
    { role: "assistant", content: text },
  ]);

const split = (name: string): Split => ({
  name,
  sequences: [conversation("a"), conversation("b")],
  questions: [],
  notes: [],
});

/** The plan of a run with the stages; its store is new. */
export function toyPlan(
  stages: readonly StagePlan[],
  more: Partial<TrainingPlan> = {},
): TrainingPlan {
  return {
    stages,
    start: () => ({ policy: model.init(key(0)) }),
    model,
    tokenizer,
    splits: [split("first"), split("second")],
    device,
    store: memoryStore(),
    loggingSteps: 2,
    evalSteps: 3,
    saveSteps: 2,
    ...more,
  };
}
