/** A small training, for Deno and for browsers: nothing here imports Deno's API. */
import { adamw, chain, clipByGlobalNorm } from "@unitune/autodiff";
import { compile, type Device, evaluate, key, type Tensor, tensor } from "@unitune/core";
import { gpt, type GptParameters, type GptSizes } from "@unitune/models";
import { type Demonstrations, initTrainingState, sft, trainingStep } from "@unitune/objectives";

/** A GPT that a browser trains in seconds. */
const config = { vocabulary: 17, context: 16, layers: 2, heads: 2, width: 32, dropout: 0 };
/** The model. */
export const model = gpt(config);

/** Rows that count up from different starts, so that there is something to learn. */
function batch(number: number, rows: number, config: GptSizes): Demonstrations {
  const length = config.context;
  const ids = Array.from(
    { length: rows * length },
    (_, i) => (Math.floor(i / length) * (number + 3) + i % length) % config.vocabulary,
  );
  const mask = ids.map((_, i) => i % length === 0 ? 0 : 1);
  return {
    ids: tensor(ids, { shape: [rows, length], dtype: "i32" }),
    mask: tensor(mask, { shape: [rows, length] }),
  };
}

/** Trains without reading anything before the end: losses, and the parameters. */
export async function train(
  device: Device,
  steps: number,
  { sizes = config, rows = 8 }: { readonly sizes?: GptSizes; readonly rows?: number } = {},
): Promise<{ readonly losses: number[]; readonly params: GptParameters }> {
  const optimizer = chain<unknown[]>(clipByGlobalNorm(1), adamw(1e-3));
  const policy = sizes === config ? model : gpt(sizes);
  const training = { policy, objective: sft(), optimizer };
  using step = compile(trainingStep(training), { device, donate: [0] });
  let state = evaluate(initTrainingState(policy.init(key(0)), optimizer, key(1)), device);
  const losses: Tensor[] = [];
  for (let i = 0; i < steps; i++) {
    const result = step(state, batch(i % 4, rows, sizes));
    state = result.state;
    const { loss } = result.metrics;
    if (loss === undefined) throw new Error("the step gives no loss");
    losses.push(loss);
  }
  const read = await Promise.all(losses.map((loss) => loss.item()));
  return { losses: read, params: state.params };
}
