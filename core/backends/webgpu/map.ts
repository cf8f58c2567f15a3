/** Loops over elements: an invocation computes one, or four neighbours. */
import { usedBuffers } from "../../lowering/kernels.ts";
import { nestOf } from "../../lowering/nest.ts";
import { sizeOf } from "../../shape.ts";
import { accessesIn, chooseFours, emitSteps, loadsOf, valueName } from "./body.ts";
import { type DispatchEmitter, fitting, overElements } from "./dispatch.ts";
import { inParts } from "./parts.ts";
import { isAligned, makeShader, splitPosition } from "./shader.ts";

/** Evaluates the body for each index of the domain, and stores values of it. */
export const map: DispatchEmitter<"map"> = (kernel, context) =>
  inParts(kernel, context).flatMap((part) => {
    const { reads, writes } = usedBuffers(part);
    return wholeMap(part, fitting(context, [...reads, ...writes]));
  });

const wholeMap: DispatchEmitter<"map"> = ({ domain, steps, stores }, context) => {
  // Fours are stored as such, and there is no code for rounds beside them.
  const along = nestOf(domain, steps).vector;
  const isInFours = along?.singles === 0 && stores.every(({ at }) => isAligned(at, along.loop));
  const vector = isInFours ? along?.loop : undefined;
  const shader = makeShader(context, isInFours ? 4 : 1);
  chooseFours(shader, [...loadsOf(steps), ...stores], vector, context.storageOf);
  const rounds = domain.map((size, loop) => loop === vector ? size / 4 : size);
  const loops = { variables: domain.map((_, loop) => `i${loop}`), vector };
  const accesses = accessesIn(shader, loops);
  return overElements(shader, sizeOf(rounds), context.tuning, [
    ...splitPosition("element", rounds, loops.variables),
    ...emitSteps(shader, steps, loops),
    ...stores.map((store) => accesses.store(store, valueName(store.value))),
  ]);
};
