/** The time of a training step: forward, backward and AdamW as one program. */
import {
  compile,
  type Device,
  evaluate,
  key,
  type ProgramStatistics,
  type Tensor,
} from "@unitune/core";
import { adamw, chain, clipByGlobalNorm } from "@unitune/autodiff";
import { ift, initTrainingState, sft, trainingStep } from "@unitune/objectives";
import { gigaflops, type ObjectiveName, stepOperations } from "./arithmetic.ts";
import {
  interleaved,
  type Measuring,
  type Spread,
  spreadOf,
  type Timed,
  timeOf,
} from "./measure.ts";
import { measureProfile, type Profile } from "./profile.ts";
import { type AnyWorkload, modelOf, trainingBatches } from "./workloads.ts";

/** The options of a measurement of training. */
export interface TrainingOptions {
  /** Whether to profile the kernels, after the steps are timed (default false). */
  readonly withProfile?: boolean;
  /** The steps that are taken before a loss is waited for (default 1). */
  readonly inARow?: number;
}

/** The measurements of an objective. */
export interface TrainingReport {
  /** The objective. */
  readonly objective: ObjectiveName;
  /** Milliseconds of a step, from the call until its loss, or the last one's, is known. */
  readonly milliseconds: Spread;
  /** The median divided by SFT's, which was measured in turns with it. */
  readonly timesSft: number;
  /** Tokens a second at the median. */
  readonly tokensPerSecond: number;
  /** Operations a nanosecond at the median, by the count of {@linkcode stepOperations}. */
  readonly gigaflops: number;
  /**
   * Milliseconds by which the first step took longer than the median: tracing and compiling. The
   * objective that comes first warms the compiler itself up as well.
   */
  readonly compileMilliseconds: number;
  /** The statistics of the step's program. */
  readonly program: ProgramStatistics;
  /** The profile of a step, if it was requested and the device can time kernels. */
  readonly profile?: Profile;
}

/** The objectives with their defaults; the others are compared with the first. */
const objectives = { sft: sft(), ift: ift() } satisfies Readonly<Record<ObjectiveName, unknown>>;

const objectiveNames = ["sft", "ift"] as const satisfies readonly ObjectiveName[];

/** Batches that the steps take in turns. */
const BATCHES = 8;

/** A training under way; each run is a number of steps, one of them if nothing else is asked for. */
export interface TimedTraining extends Timed, Disposable {
  /** The objective that it trains by. */
  readonly objective: ObjectiveName;
  /** Takes some steps, and waits until the loss of the last is known. */
  take(steps: number): Promise<void>;
  /** The statistics of the step's only program. */
  statistics(): ProgramStatistics;
}

/** A training from a new model; its first step compiles. */
export function startTraining(
  objective: ObjectiveName,
  workload: AnyWorkload,
  device: Device,
): TimedTraining {
  const policy = modelOf(workload);
  const rule = adamw(1e-3, { beta1: 0.9, beta2: 0.99, weightDecay: 0.1 });
  const optimizer = chain<unknown[]>(clipByGlobalNorm(1), rule);
  const step = compile(
    trainingStep({ policy, objective: objectives[objective], optimizer }),
    { device, donate: [0] },
  );
  const batches = trainingBatches(workload, BATCHES);
  let state = evaluate(initTrainingState(policy.init(key(0)), optimizer, key(1)), device);
  let done = 0;
  const advance = (): Tensor | undefined => {
    const batch = batches[done % batches.length];
    if (batch === undefined) throw new Error("there is no batch to train on");
    const result = step(state, batch);
    state = result.state;
    done++;
    return result.metrics.loss;
  };
  const take = async (steps: number): Promise<void> => {
    let loss: Tensor | undefined;
    for (let i = 0; i < steps; i++) loss = advance();
    await loss?.item();
  };
  return {
    objective,
    take,
    run: () => take(1),
    statistics() {
      const [program, ...others] = step.statistics();
      if (program === undefined || others.length > 0) {
        throw new Error(`expected a step to be one program, not ${step.statistics().length}`);
      }
      return program;
    },
    [Symbol.dispose]: () => step[Symbol.dispose](),
  };
}

/**
 * Measures a training step by each objective, in turns.
 *
 * @param workload The model and its batches.
 * @param device The device to compute on.
 * @param measuring The number of steps of each, and the clock.
 * @param options Whether to profile the kernels, and after how many steps a loss is waited for.
 * @returns A report for each objective, SFT first.
 */
export async function measureTraining(
  workload: AnyWorkload,
  device: Device,
  measuring: Measuring,
  { withProfile = false, inARow = 1 }: TrainingOptions = {},
): Promise<TrainingReport[]> {
  using stack = new DisposableStack();
  const trainings: (TimedTraining & { readonly first: number })[] = [];
  for (const objective of objectiveNames) {
    const training = stack.use(startTraining(objective, workload, device));
    const first = await timeOf(training, measuring.now);
    trainings.push({ ...training, first, run: () => training.take(inARow) });
  }
  const measured = (await interleaved(trainings, measuring)).map(({ subject, times }) => ({
    subject,
    time: spreadOf(times.map((time) => time / inARow)),
  }));
  const [baseline] = measured;
  const tokens = workload.batch * workload.config.context;
  const reports: TrainingReport[] = [];
  for (const { subject: training, time } of measured) {
    const { objective, first } = training;
    const step = { run: () => training.take(1) };
    const profile = withProfile ? await measureProfile(step, device, measuring) : undefined;
    reports.push({
      objective,
      milliseconds: time,
      timesSft: time.median / (baseline?.time.median ?? NaN),
      tokensPerSecond: 1000 * tokens / time.median,
      gigaflops: gigaflops(stepOperations(workload, objective), time.median),
      compileMilliseconds: Math.max(0, first - time.median),
      program: training.statistics(),
      ...(profile && { profile }),
    });
  }
  return reports;
}
