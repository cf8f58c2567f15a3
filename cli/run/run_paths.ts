/**
 * The layout of a run's folder:
 *
 * ```text
 * config.json              the settings, the sizes of the model, a digest of the data
 * metrics.jsonl            a line of metrics for each logged step and each evaluation
 * samples.jsonl            a line for each recorded answer
 * events.out.tfevents.unitune
 *                          the lines of metrics.jsonl for TensorBoard, where they are asked for
 * checkpoints/step-000250/ config.json, generation_config.json, model.safetensors
 *                                                            as transformers saves a model; a large
 *                                                            one has several files and an index
 *                          reward_model/, process_reward_model/, teacher/
 *                                                            the same for other models; the teacher
 *                                                            at the start of its stage only
 *                          tokenizer.json, tokenizer_config.json
 *                                                            characters and special tokens
 *                          training.safetensors              the state of the training
 *                          run.json                          the position of the run, its configuration,
 *                                                            and the digests of all these files
 * lock                     empty; locked by the process that works on the run
 * ```
 *
 * Before a checkpoint is used, the digests in it are compared with its files, with `metrics.jsonl`
 * and `samples.jsonl` up to its step, and with `run.json` itself. A folder that has any of these
 * names and is not a run is not touched.
 *
 * No content depends on the time or the place of a run, except the times in the events for
 * TensorBoard: the same settings give the same bytes, with and without interruptions.
 *
 * @module
 */

/** The paths in the folder of a run. */
export interface RunPaths {
  /** The configuration. */
  readonly config: string;
  /** The metrics. */
  readonly metrics: string;
  /** The answers. */
  readonly samples: string;
  /** The metrics for TensorBoard. */
  readonly events: string;
  /** The folder of the checkpoints. */
  readonly checkpoints: string;
  /** The lock. */
  readonly lock: string;
}

/**
 * The paths in the folder of a run.
 *
 * @param folder The folder.
 * @returns The paths.
 */
export function runPaths(folder: string): RunPaths {
  return {
    config: `${folder}/config.json`,
    metrics: `${folder}/metrics.jsonl`,
    samples: `${folder}/samples.jsonl`,
    events: `${folder}/${EVENTS}`,
    checkpoints: `${folder}/checkpoints`,
    lock: `${folder}/lock`,
  };
}

/** The name of the event file: TensorBoard reads the files with `tfevents` in their names. */
export const EVENTS = "events.out.tfevents.unitune";

/** The name of the file in a checkpoint's folder that describes the checkpoint. */
export const RECORD = "run.json";
