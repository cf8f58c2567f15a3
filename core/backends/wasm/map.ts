/** Loops that write each element once. */
import { emitNest, type Nest } from "./body.ts";
import { dtypeOf, type Emitter, padded, paddedSteps, shareLoop, withLoop } from "./frame.ts";

/** Evaluates the body for each index of the domain, and stores its values. */
export const map: Emitter<"map"> = ({ domain, steps, stores }, frame) => {
  const loops = withLoop(domain);
  const nest: Nest = {
    ...frame,
    domain: loops,
    steps: paddedSteps(steps, loops.length),
    share: shareLoop(frame, loops),
  };
  return emitNest(nest, {
    inner: (cursor) =>
      stores.map(({ buffer, at: to, value }) =>
        cursor.store(buffer, padded(to, loops.length), dtypeOf(frame, buffer), cursor.value(value))
      ),
  });
};
