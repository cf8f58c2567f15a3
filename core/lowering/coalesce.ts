/** Fewer, longer loops: neighbouring loops that every position walks as one become one. */
import { at, type Shape } from "../shape.ts";
import type { Affine } from "./affine.ts";
import type { Kernel, Step } from "./kernels.ts";

/** Runs of loops that can become one loop; loops of a single round disappear. */
function runsOf(domain: Shape, affines: readonly Affine[], first: number, end: number): number[][] {
  const runs: number[][] = [];
  for (let loop = first; loop < end; loop++) {
    if (at(domain, loop) === 1) continue;
    const run = runs.at(-1);
    const outer = run?.at(-1);
    const joins = outer !== undefined &&
      affines.every(({ strides }) => at(strides, outer) === at(strides, loop) * at(domain, loop));
    if (joins) run?.push(loop);
    else runs.push([loop]);
  }
  return runs;
}

function affinesOf(steps: readonly Step[]): Affine[] {
  return steps.flatMap((step) => "at" in step ? [step.at] : []);
}

function joinedShape(domain: Shape, runs: readonly number[][]): number[] {
  return runs.map((run) => run.reduce((size, loop) => size * at(domain, loop), 1));
}

function joinedAffine({ offset, strides }: Affine, runs: readonly number[][]): Affine {
  return { offset, strides: runs.map((run) => at(strides, at(run, run.length - 1))) };
}

function joinedSteps(steps: readonly Step[], runs: readonly number[][]): Step[] {
  return steps.map((step) => "at" in step ? { ...step, at: joinedAffine(step.at, runs) } : step);
}

/** The same kernel over as few loops as its positions allow. */
export function coalesce(kernel: Kernel): Kernel {
  if (kernel.kind === "map") {
    const { domain, steps, stores } = kernel;
    const affines = [...affinesOf(steps), ...stores.map((store) => store.at)];
    const runs = runsOf(domain, affines, 0, domain.length);
    return {
      ...kernel,
      domain: joinedShape(domain, runs),
      steps: joinedSteps(steps, runs),
      stores: stores.map((store) => ({ ...store, at: joinedAffine(store.at, runs) })),
    };
  }
  if (kernel.kind === "reduce" && kernel.reduction !== "argmax") {
    const { kept, reduced, steps } = kernel;
    const domain = [...kept, ...reduced];
    const affines = affinesOf(steps);
    const outer = runsOf(domain, affines, 0, kept.length);
    const inner = runsOf(domain, affines, kept.length, domain.length);
    return {
      ...kernel,
      kept: joinedShape(domain, outer),
      reduced: joinedShape(domain, inner),
      steps: joinedSteps(steps, [...outer, ...inner]),
    };
  }
  return kernel;
}
