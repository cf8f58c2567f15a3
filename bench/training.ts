/** The time of a training step: forward, backward and AdamW as one program. */
import { compile, type Device, evaluate, key, type ProgramStatistics } from "@unitune/core";
import { adamw, chain, clipByGlobalNorm } from "@unitune/autodiff";
import { gpt } from "@unitune/models";
import { ift, initTrainingState, sft, trainingStep } from "@unitune/objectives";
import { gigaflops, type ObjectiveName, stepOperations } from "./arithmetic.ts";
import { interleaved, type Measuring, type Spread, type Timed, timeOf } from "./measure.ts";
import { measureProfile, type Profile } from "./profile.ts";
import { trainingBatches, type Workload } from "./workloads.ts";

/** What is measured of an objective. */
export interface TrainingReport {
  /** The objective. */
  readonly objective: ObjectiveName;
  /** Milliseconds of a step, from the call until its loss is known. */
  readonly milliseconds: Spread;
  /** The median divided by that of SFT, which was measured in turns with it. */
  readonly timesSft: number;
  /** Tokens a second at the median. */
  readonly tokensPerSecond: number;
  /** Operations a nanosecond at the median, of those that {@linkcode stepOperations} counts. */
  readonly gigaflops: number;
  /**
   * Milliseconds that the first step took longer than the median: tracing and compiling. Whichever
   * objective is first warms the compiler itself up as well.
   */
  readonly compileMilliseconds: number;
  /** What is known of the step's program. */
  readonly program: ProgramStatistics;
  /** Where the time goes, if that was asked for and the device can tell. */
  readonly profile?: Profile;
}

/** The objectives with their defaults; the first is what the others are compared with. */
const objectives = { sft: sft(), ift: ift() } satisfies Readonly<Record<ObjectiveName, unknown>>;

const objectiveNames = ["sft", "ift"] as const satisfies readonly ObjectiveName[];

/** Batches that the steps take in turns. */
const BATCHES = 8;

/** A training under way; each run is a step. */
export interface TimedTraining extends Timed, Disposable {
  /** What it trains by. */
  readonly objective: ObjectiveName;
  /** Of the step's program, which must be one. */
  statistics(): ProgramStatistics;
}

/** A training from a new model; its first step compiles. */
export function startTraining(
  objective: ObjectiveName,
  workload: Workload,
  device: Device,
): TimedTraining {
  const policy = gpt(workload.config);
  const rule = adamw(1e-3, { beta1: 0.9, beta2: 0.99, weightDecay: 0.1 });
  const optimizer = chain<unknown[]>(clipByGlobalNorm(1), rule);
  const step = compile(
    trainingStep({ policy, objective: objectives[objective], optimizer }),
    { device, donate: [0] },
  );
  const batches = trainingBatches(workload, BATCHES);
  let state = evaluate(initTrainingState(policy.init(key(0)), optimizer, key(1)), device);
  let done = 0;
  return {
    objective,
    async run() {
      const batch = batches[done % batches.length];
      if (batch === undefined) throw new Error("there is no batch to train on");
      const result = step(state, batch);
      state = result.state;
      done++;
      await result.metrics.loss?.item();
    },
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
 * @param device Where to compute.
 * @param measuring How many steps of each, and the clock.
 * @param options Whether to tell the kernels apart, which is done after the steps are timed.
 * @returns A report for each objective, SFT first.
 */
export async function measureTraining(
  workload: Workload,
  device: Device,
  measuring: Measuring,
  { withProfile = false } = {},
): Promise<TrainingReport[]> {
  using stack = new DisposableStack();
  const trainings: (TimedTraining & { readonly first: number })[] = [];
  for (const objective of objectiveNames) {
    const training = stack.use(startTraining(objective, workload, device));
    trainings.push({ ...training, first: await timeOf(training, measuring.now) });
  }
  const measured = await interleaved(trainings, measuring);
  const [baseline] = measured;
  const tokens = workload.batch * workload.config.context;
  const reports: TrainingReport[] = [];
  for (const { subject: training, time } of measured) {
    const { objective, first } = training;
    const profile = withProfile ? await measureProfile(training, device, measuring) : undefined;
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
