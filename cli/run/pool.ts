/**
 * Tasks for some hands.
 *
 * @module
 */

/**
 * Distributes tasks: each hand does one task at a time, and tasks begin in the order of the calls.
 *
 * @param hands Functions that do a task.
 * @returns A function that does a task as soon as a hand is free.
 */
export function pooled<Task, Outcome>(
  hands: readonly ((task: Task) => Promise<Outcome>)[],
): (task: Task) => Promise<Outcome> {
  type Do = typeof hands[number];
  const free = [...hands];
  const waiting: ((next: Do) => void)[] = [];
  return async (task) => {
    const own = free.shift() ?? await new Promise<Do>((resolve) => waiting.push(resolve));
    try {
      return await own(task);
    } finally {
      const next = waiting.shift();
      if (next === undefined) free.push(own);
      else next(own);
    }
  };
}
