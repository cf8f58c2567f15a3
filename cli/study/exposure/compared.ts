/**
 * The objectives whose gradients are compared with that of reinforcement learning.
 *
 * @module
 */

import { type Demonstrations, dft, ift, type Objective, sft } from "@unitune/objectives";

/** Those that learn from right answers: SFT, DFT, and IFT in its forms, by the names of arms. */
export const comparedOnGold: Readonly<Record<string, Objective<Demonstrations>>> = {
  "sft": sft(),
  "dft": dft(),
  "ift": ift(),
  "ift-detached": ift({ propagation: "as-run-detached" }),
  "ift-lambda": ift({ gamma: 0 }),
  "ift-propagation": ift({ lambda: 0 }),
  "ift-reach": ift({ propagation: "reach", gamma: 0.5 }),
};
