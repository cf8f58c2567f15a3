/**
 * The rows that an outside program may add to: objectives and architectures.
 *
 * @module
 */

import type { Architecture } from "@unitune/models";
import type { ObjectiveRegistry } from "@unitune/objectives";

/** The objectives and the architectures that a command knows. */
export interface Registries {
  /** The objectives (default: those of `@unitune/objectives`). */
  readonly objectives?: ObjectiveRegistry;
  /** The architectures (default: those of `@unitune/models`). */
  readonly architectures?: readonly Architecture[];
}
