/** Copies of rows of elements, in fours where the rows are whole fours. */
import type { KernelContext } from "./dispatch.ts";
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
