/** Copies of rows of elements, in fours where the rows are whole fours. */
import { type Dispatch, type KernelContext, overElements } from "./dispatch.ts";
import { countOf, elementOf, extentsOf, touching } from "./pieces.ts";
import { makeShader, type Shader } from "./shader.ts";

/** Copies elements, or fours where the rows are multiples of four. */
export function copier(context: KernelContext, inner: number, copied: readonly number[]): {
  readonly shader: Shader;
  /** Elements copied at a time. */
  readonly unit: 1 | 4;
  readonly get: (buffer: number, index: string) => string;
  readonly set: (buffer: number, index: string, value: string) => string;
} {
  const unit = inner % 4 === 0 ? 4 : 1;
  const shader = makeShader(context, unit);
  if (unit === 1) return { shader, unit, get: shader.word, set: shader.setWord };
  copied.forEach(shader.inFours);
  return { shader, unit, get: shader.words, set: shader.setWords };
}

/** Copies a whole buffer to another one, unless that is in its place; rows of `inner` elements. */
export function copyInto(
  context: KernelContext,
  to: number,
  from: number,
  inner: number,
): Dispatch[] {
  if (context.storageOf(from) === context.storageOf(to)) return [];
  return extentsOf(context, to, 1).flatMap((own) => {
    const { shader, unit, get, set } = copier(
      touching(context, [[from, own], [to, own]]),
      inner,
      [from, to],
    );
    const element = elementOf(own, unit);
    return overElements(shader, countOf(own, unit), context.tuning, [
      set(to, element, get(from, element)),
    ]);
  });
}
