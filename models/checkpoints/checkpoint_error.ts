/** Files hold another model, or another tree, than the one that they are read as. */
export class CheckpointError extends Error {
  /** The error's name. */
  override readonly name = "CheckpointError";
}
