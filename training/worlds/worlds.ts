/**
 * The worlds, whose tasks are built in.
 *
 * @module
 */

import { carry } from "./carry.ts";
import { maze } from "./maze.ts";
import { order } from "./order.ts";
import { trace } from "./trace.ts";
import { word } from "./word.ts";

/** The worlds by name. */
export const worlds = { carry, order, maze, trace, word } as const;
