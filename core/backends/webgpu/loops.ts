/**
 * Loops that end: a software adapter (llvmpipe) counts the rounds of all loops of an invocation
 * together and ends every loop, without an error, after 65,535. So long loops are cut into ranges,
 * one dispatch of the same module after the other; and sums go through levels of short runs.
 */
import { type Cut, levelsOf } from "../../lowering/levels.ts";
import { type Dispatch, type KernelContext, overElements } from "./dispatch.ts";
import { makeShader, type Shader } from "./shader.ts";

/** The most rounds of the innermost loops of an invocation, which leave room for those around. */
export const LOOP_ROUNDS = 15 * 2 ** 12;

/** A range of a loop as text. */
export interface Range {
  /** Statements that define the names of the other texts, to be put first. */
  readonly lines: readonly string[];
  /** The first round, and the one after the last. */
  readonly begin: string;
  readonly end: string;
  /** Whether it is the first range, or the last; undefined where there is one only. */
  readonly isFirst: string | undefined;
  readonly isLast: string | undefined;
}

/** The way in which a module finds out the range it is run for. */
export type RangeOf = (shader: Shader, isUniform?: boolean) => Range;

/** A word of a buffer of words. */
export interface Word {
  /** The buffer. */
  readonly buffer: number;
  /** The position of the word in it. */
  readonly index: number;
}

/** A module for one value. */
function setting(
  { buffer, index }: Word,
  value: (before: string) => string,
  context: KernelContext,
): Dispatch[] {
  const shader = makeShader(context, 1);
  const word = shader.word(buffer, `${index}u`);
  return overElements(shader, 1, { ...context.tuning, workgroup: 1 }, [
    shader.setWord(buffer, `${index}u`, value(word)),
  ]);
}

/**
 * Dispatches of one module for each range of a loop, in order; a counter beside the module's own
 * buffers tells which range is on. A loop that is short enough is one range.
 *
 * @param count The rounds of the loop.
 * @param length The rounds of a range.
 * @param emit Makes the module; where its lanes meet at barriers, it asks for a uniform range.
 * @param memory The place of the counter, for a module that binds the buffer anyway.
 */
export function inRanges(
  count: number,
  length: number,
  context: KernelContext,
  emit: (rangeOf: RangeOf) => Dispatch[],
  memory?: Word,
): Dispatch[] {
  const ranges = Math.ceil(count / length);
  if (ranges <= 1) {
    return emit(() => ({
      lines: [],
      begin: "0u",
      end: `${count}u`,
      isFirst: undefined,
      isLast: undefined,
    }));
  }
  const counter = memory ?? { buffer: context.scratch("u32", 1), index: 0 };
  const module = emit((shader, isUniform = false) => {
    if (isUniform) shader.declare("var<workgroup> rangeOfAll: u32;");
    const word = shader.word(counter.buffer, `${counter.index}u`);
    return {
      lines: [
        ...(isUniform
          ? [
            `if (lane == 0u) { rangeOfAll = ${word}; }`,
            "let range = workgroupUniformLoad(&rangeOfAll);",
          ]
          : [`let range = ${word};`]),
        `let rangeBegin = range * ${length}u;`,
        `let rangeEnd = min(rangeBegin + ${length}u, ${count}u);`,
      ],
      begin: "rangeBegin",
      end: "rangeEnd",
      isFirst: "range == 0u",
      isLast: `range == ${ranges - 1}u`,
    };
  });
  const [reset, advance] = [
    setting(counter, () => "0u", context),
    setting(counter, (range) => `${range} + 1u`, context),
  ];
  return Array.from({ length: ranges }, (_, i) => [...i === 0 ? reset : advance, ...module]).flat();
}

/** A loop that adds up, as text. */
interface Adding {
  /** The variable that is added to, which is declared before. */
  readonly total: string;
  /** The value that it starts with. */
  readonly zero: string;
  /** The loop's variable, its first value, the one after the last, and the step. */
  readonly variable: string;
  readonly begin: string;
  readonly end: string;
  readonly step: number;
  /** The most rounds. */
  readonly rounds: number;
}

/** A loop whose body adds to the variable that it is given: in levels, if it has many rounds. */
export function inLevels(
  { total, zero, variable, begin, end, step, rounds }: Adding,
  body: (total: string) => readonly string[],
): string[] {
  const loop = (cuts: readonly Cut[], sum: string, from: string, to: string): string[] => {
    const cut = cuts.at(-1);
    if (cut === undefined) {
      return [
        `for (var ${variable} = ${from}; ${variable} < ${to}; ${variable} += ${step}u) {`,
        ...body(sum),
        "}",
      ];
    }
    const [block, length, part] = [
      `${variable}Block${cuts.length}`,
      cut.rounds * step,
      `${total}${cuts.length}`,
    ];
    return [
      `for (var ${block} = ${from}; ${block} < ${to}; ${block} += ${length}u) {`,
      `let ${block}End = min(${block} + ${length}u, ${to});`,
      `var ${part} = ${zero};`,
      ...loop(cuts.slice(0, -1), part, block, `${block}End`),
      `${sum} = ${sum} + ${part};`,
      "}",
    ];
  };
  return loop(levelsOf([rounds]), total, begin, end);
}
