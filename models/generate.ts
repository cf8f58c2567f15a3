/** Generation: prompts to completions, with a cache of keys and values. */
import {
  abs,
  add,
  argmax,
  compile,
  type CompileOptions,
  concat,
  dims,
  dynamicSlice,
  dynamicUpdate,
  key,
  leavesOf,
  less,
  reshape,
  sub,
  sum,
  type Tensor,
  tensor,
  where,
  zeros,
} from "@unitune/core";
import type { CachedModel, CachePlace, LanguageModelConfig } from "./language_model.ts";
import { sampleTokens, type Sampling } from "./sampling.ts";

/** A model's logits are NaN or infinite, so that no token can be chosen. */
export class NonFiniteLogitsError extends Error {
  /** The error's name. */
  override readonly name = "NonFiniteLogitsError";
}

/** Stands in place of a token where there is none. */
const NO_TOKEN = -1;

/** The bound of a finite sum of logits, next to the largest f32. */
const LARGEST = 3.4e38;

/** Options of generation. */
export interface GenerateOptions {
  /** Tokens generated at most for a prompt. */
  readonly maxNewTokens: number;
  /**
   * Divides the logits; 0 is greedy: always the most likely token (default 0). The policy that
   * samples has the logits `logits / temperature`; topK and topP truncate its draws, and are no
   * part of its log-probabilities.
   */
  readonly temperature?: number;
  /** Draws among this number of the likeliest tokens (default: all). No effect at temperature 0. */
  readonly topK?: number;
  /**
   * Draws among the smallest set of likeliest tokens with at least this probability (default 1: all
   * of them). No effect at temperature 0.
   */
  readonly topP?: number;
  /** The token, or several tokens, that end a completion (default none). */
  readonly stop?: number | readonly number[];
  /** Seed of the draws (default 0). */
  readonly seed?: number;
  /**
   * Number of the first prompt (default 0). The draws for a prompt depend on the seed and its
   * number, so that prompts may be completed in any batches.
   */
  readonly firstRow?: number;
  /**
   * Ends generation, which then throws the signal's reason (default none). With a signal, the event
   * loop has a turn after each read of the tokens, so that timers and listeners can abort it.
   */
  readonly signal?: AbortSignal;
}

/** The tokens that follow a prompt. */
export interface Completion {
  /** The tokens, without the prompt and the stop token. */
  readonly ids: readonly number[];
  /** The stop token that was generated after them; absent where the completion was cut off. */
  readonly stop?: number;
}

/**
 * The tokens that were generated: those of a completion, and the stop token that ended it.
 *
 * @example
 * ```ts
 * import { generatedIds } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(generatedIds({ ids: [5, 7], stop: 1 }), [5, 7, 1]);
 * assertEquals(generatedIds({ ids: [5, 7] }), [5, 7]);
 * ```
 *
 * @param completion The completion.
 * @returns All tokens that the model chose, in order.
 */
export function generatedIds({ ids, stop }: Completion): readonly number[] {
  return stop === undefined ? ids : [...ids, stop];
}

/** Compiled generation. */
export interface TokenGenerator<P> {
  /**
   * One completion for each prompt.
   *
   * A completion ends at the first stop token, after `maxNewTokens`, or when prompt and completion
   * fill the context. It depends on its own prompt and number, not on the other prompts: apart from
   * rounding, it is the same in any batch.
   *
   * @param params The model's parameters.
   * @param prompts Token ids, at least one a prompt.
   * @param options The options of generation.
   * @returns The completions, one a prompt.
   * @throws {RangeError} If an option is out of range, or a prompt is empty, has an id outside the
   * vocabulary, or leaves no room for a token in the context.
   * @throws {NonFiniteLogitsError} If the model's logits are NaN or infinite.
   */
  generate(
    params: P,
    prompts: readonly (readonly number[])[],
    options: GenerateOptions,
  ): Promise<readonly Completion[]>;
  /**
   * The tokens that `generate` gives for one prompt, each as soon as it is chosen; the stop token
   * that ends the completion comes last, as {@linkcode generatedIds} has it. The tokens are read from
   * the device after every step, so that a step waits for the one before it to be read.
   *
   * @param params The model's parameters.
   * @param prompt Token ids, at least one.
   * @param options The options of generation.
   * @returns The tokens; whoever takes no more of them ends the generation.
   * @throws {RangeError} As `generate` does, when the first token is asked for.
   * @throws {NonFiniteLogitsError} If the model's logits are NaN or infinite.
   */
  stream(
    params: P,
    prompt: readonly number[],
    options: GenerateOptions,
  ): AsyncGenerator<number, void, void>;
  /** Gives the programs' storage back. */
  [Symbol.dispose](): void;
}

/** The arguments that stay the same while completions grow. */
type GenerationInputs = {
  /** Columns at the start of each row that hold no token, i32 `[B]`. */
  readonly padding: Tensor;
  /** Columns of padding and prompts together, a scalar i32. */
  readonly start: Tensor;
  /** The rule by which tokens are drawn (default: greedily). */
  readonly sampling?: Sampling;
};

/** The state that a step replaces. */
type GenerationState<C> = {
  /** Keys and values of all tokens but the last. */
  readonly cache: C;
  /** Prompts and completions by column, i32 `[B, S]`. */
  readonly tokens: Tensor;
  /** The column of the last token, a scalar i32. */
  readonly column: Tensor;
};

/**
 * Columns are allocated in multiples of this, so that prompts and completions of about one length
 * share a program.
 */
const COLUMN_MULTIPLE = 8;

/**
 * The number of steps between reads of the tokens, which show whether all rows have stopped, where
 * nobody waits for single tokens.
 */
const STEPS_BETWEEN_READS = 8;

/**
 * Compiles generation for a model: one program reads the prompts, padded at the left to one length,
 * and another one adds a token to every row, with its state donated. Tokens stay on the device
 * between steps. Programs are kept, by batch size and rounded lengths, for later calls. Parameters on
 * the host are copied at every step: have large ones on the device, by `onDevice` of
 * `@unitune/core`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key } from "@unitune/core";
 * import { createGenerator, generatedIds, gpt } from "@unitune/models";
 *
 * const model = gpt({ vocabulary: 11, context: 8, layers: 1, heads: 2, width: 8, dropout: 0 });
 * const params = model.init(key(0));
 *
 * using generator = createGenerator(model);
 * const [one, other] = await generator.generate(params, [[1, 2, 3, 4, 5, 6], [7]], {
 *   maxNewTokens: 4,
 *   temperature: 0.8,
 *   topP: 0.9,
 *   seed: 1,
 * });
 * assertEquals(one?.ids.length, 2); // The context is full.
 * assertEquals(other?.ids.length, 4);
 *
 * const options = { maxNewTokens: 4, stop: [3, 5] };
 * const streamed = await Array.fromAsync(generator.stream(params, [7], options));
 * const [completion] = await generator.generate(params, [[7]], options);
 * assertEquals(streamed, completion && generatedIds(completion));
 * ```
 *
 * @param model The model.
 * @param compileOptions The device (default: that of `defaultDevice`).
 * @returns The compiled generation; dispose of it to give its programs back.
 */
export function createGenerator<P, C>(
  model: CachedModel<P, C>,
  compileOptions: Pick<CompileOptions, "device"> = {},
): TokenGenerator<P> {
  /** The state after one more token in each row, chosen from the logits. */
  const append = (
    { start, sampling }: GenerationInputs,
    { cache, tokens, column }: GenerationState<C>,
    logits: Tensor,
  ): GenerationState<C> => {
    const next = add(column, 1);
    const chosen = sampling === undefined
      ? argmax(logits)
      : sampleTokens(logits, sampling, sub(next, start)); // [B]
    // Logits that are not finite give no token, whose id is in no vocabulary.
    const isFinite = less(abs(sum(logits, { axes: [-1] })), LARGEST);
    const token = where(isFinite, chosen, NO_TOKEN);
    return {
      cache,
      tokens: dynamicUpdate(tokens, 1, next, reshape(token, [-1, 1])),
      column: next,
    };
  };

  /** Reads the prompts, and adds the first token. */
  const prefill = compile(
    (params: P, run: GenerationInputs, prompts: Tensor, columns: number): GenerationState<C> => {
      const { B, T } = dims(prompts, "B T", "generate: prompts");
      const place: CachePlace = { column: tensor(0, { dtype: "i32" }), padding: run.padding };
      const empty = model.emptyCache(B, columns);
      const { logits, cache } = model.decode(params, prompts, empty, place);
      const tokens = concat([prompts, zeros([B, columns - T], "i32")], 1); // [B, S]
      return append(run, { cache, tokens, column: sub(run.start, 1) }, logits);
    },
    compileOptions,
  );

  /** Reads the last token, and adds one more. */
  const step = compile(
    (params: P, run: GenerationInputs, state: GenerationState<C>): GenerationState<C> => {
      const { column, tokens } = state;
      const ids = dynamicSlice(tokens, 1, column, 1); // [B, 1]
      const place: CachePlace = { column, padding: run.padding };
      const { logits, cache } = model.decode(params, ids, state.cache, place);
      return append(run, { cache, tokens, column }, logits);
    },
    { ...compileOptions, donate: [2] },
  );

  /** The completions so far after every `between` steps; the last of them are whole. */
  async function* grow(
    params: P,
    prompts: readonly (readonly number[])[],
    options: GenerateOptions,
    between: number,
  ): AsyncGenerator<readonly Growing[], void, void> {
    const settled = settle(model.config, options);
    const { stops, signal } = settled;
    prompts.forEach((prompt, i) => checkPrompt(model.config, prompt, i));
    if (prompts.length === 0) return;
    signal?.throwIfAborted();

    const layout = layOut(model.config.context, prompts, settled);
    const run = makeRun(model.config.vocabulary, layout, settled);
    let state = prefill(params, run, padLeft(prompts, layout.start), layout.columns);
    try {
      for (let generated = 1;; generated++) {
        if (generated === layout.steps || generated % between === 0) {
          const tokens = await state.tokens.data();
          const grown = layout.rooms.map((room, i) => {
            const start = i * layout.columns + layout.start;
            const row = tokens.subarray(start, start + Math.min(room, generated));
            const completion = completionOf(row, room, stops);
            refuseMissing(completion.ids, i);
            return completion;
          });
          if (signal !== undefined) {
            await turnOfEventLoop();
            signal.throwIfAborted();
          }
          yield grown;
          if (grown.every(({ isEnded }) => isEnded)) return;
        }
        state = step(params, run, state);
      }
    } finally {
      for (const leaf of leavesOf(state)) leaf[Symbol.dispose]();
    }
  }

  return {
    async generate(params, prompts, options) {
      let last: readonly Growing[] = [];
      for await (const grown of grow(params, prompts, options, STEPS_BETWEEN_READS)) last = grown;
      return last.map(({ isEnded: _, ...completion }) => completion);
    },
    async *stream(params, prompt, options) {
      let given = 0;
      for await (const [completion] of grow(params, [prompt], options, 1)) {
        const ids = completion === undefined ? [] : generatedIds(completion);
        yield* ids.slice(given);
        given = ids.length;
      }
    },
    [Symbol.dispose]() {
      prefill[Symbol.dispose]();
      step[Symbol.dispose]();
    },
  };
}

/** The layout of prompts and completions in columns, and the number of tokens to generate. */
interface ColumnLayout {
  /** Columns of padding and prompt together; completions start there. */
  readonly start: number;
  /** Columns altogether. */
  readonly columns: number;
  /** Columns at the start of each row that hold no token. */
  readonly padding: readonly number[];
  /** Tokens that each row may generate. */
  readonly rooms: readonly number[];
  /** Tokens to generate at most. */
  readonly steps: number;
}

/** The layout of at least one prompt. */
function layOut(
  context: number,
  prompts: readonly (readonly number[])[],
  { maxNewTokens }: Settled,
): ColumnLayout {
  const lengths = prompts.map((prompt) => prompt.length);
  const largest = (counts: readonly number[]) => counts.reduce((a, b) => Math.max(a, b));
  const start = roundUp(largest(lengths));
  const rooms = lengths.map((length) => Math.min(maxNewTokens, context - length));
  const steps = largest(rooms);
  const padding = lengths.map((length) => start - length);
  return { start, columns: start + roundUp(steps), padding, rooms, steps };
}

/** A completion that may still grow. */
interface Growing extends Completion {
  /** Whether no token is to follow. */
  readonly isEnded: boolean;
}

/** The tokens of a row up to the first stop token. */
function completionOf(row: ArrayLike<number>, room: number, stops: ReadonlySet<number>): Growing {
  const ids = Array.from(row);
  const end = ids.findIndex((id) => stops.has(id));
  const stop = ids[end];
  return stop === undefined
    ? { ids, isEnded: ids.length === room }
    : { ids: ids.slice(0, end), stop, isEnded: true };
}

/** Lets timers and listeners run, which wait while promises follow each other. */
function turnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

function refuseMissing(ids: readonly number[], row: number): void {
  const place = ids.indexOf(NO_TOKEN);
  if (place < 0) return;
  throw new NonFiniteLogitsError(
    `the model's logits for token ${place + 1} of completion ${
      row + 1
    } are not finite: its weights ` +
      `are damaged, or its training has diverged; take an earlier checkpoint`,
  );
}

function roundUp(count: number): number {
  return Math.ceil(count / COLUMN_MULTIPLE) * COLUMN_MULTIPLE;
}

/** Prompts that end at one column, padded at the left with any id: i32 `[B, length]`. */
function padLeft(prompts: readonly (readonly number[])[], length: number): Tensor {
  const ids = new Int32Array(prompts.length * length);
  prompts.forEach((prompt, i) => ids.set(prompt, (i + 1) * length - prompt.length));
  return tensor(ids, { dtype: "i32", shape: [prompts.length, length] });
}

function makeRun(
  vocabulary: number,
  { padding, start }: ColumnLayout,
  { temperature, topK, topP, seed, firstRow }: Settled,
): GenerationInputs {
  return {
    padding: tensor(padding, { dtype: "i32" }),
    start: tensor(start, { dtype: "i32" }),
    // A temperature that f32 rounds to 0 is 0.
    ...(Math.fround(temperature) > 0 && {
      sampling: {
        temperature: tensor(temperature),
        // A truncation that keeps every token needs no sorting.
        ...(topK < vocabulary && { topK: tensor(topK, { dtype: "i32" }) }),
        ...(topP < 1 && { topP: tensor(topP) }),
        key: key(seed),
        firstRow: tensor(firstRow, { dtype: "u32" }),
      },
    }),
  };
}

function isNatural(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** Options with their defaults. */
interface Settled extends Required<Omit<GenerateOptions, "stop" | "signal">> {
  /** The tokens that end a completion. */
  readonly stops: ReadonlySet<number>;
  /** Ends generation. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Options with their defaults, all of them in range.
 *
 * @throws {RangeError} If one is not.
 */
function settle(
  { vocabulary }: Pick<LanguageModelConfig, "vocabulary">,
  {
    maxNewTokens,
    temperature = 0,
    topK = vocabulary,
    topP = 1,
    stop = [],
    seed = 0,
    firstRow = 0,
    signal,
  }: GenerateOptions,
): Settled {
  const stops = new Set([stop].flat());
  const rules: readonly (readonly [name: string, value: number, valid: boolean, rule: string])[] = [
    [
      "maxNewTokens",
      maxNewTokens,
      isNatural(maxNewTokens) && maxNewTokens > 0,
      "an integer from 1",
    ],
    ["temperature", temperature, temperature >= 0 && temperature < Infinity, "a number from 0"],
    ["topK", topK, isNatural(topK) && topK > 0, "an integer from 1"],
    ["topP", topP, topP > 0 && topP <= 1, "a probability above 0"],
    ...Array.from(stops, (stop) =>
      [
        "stop",
        stop,
        isNatural(stop) && stop < vocabulary,
        `a token id from 0 to ${vocabulary - 1}`,
      ] as const),
    ["firstRow", firstRow, isNatural(firstRow), "an integer from 0"],
  ];
  for (const [name, value, valid, rule] of rules) {
    if (!valid) throw new RangeError(`generate: ${name} is ${value}, expected ${rule}`);
  }
  return { maxNewTokens, temperature, topK, topP, stops, seed, firstRow, signal };
}

function checkPrompt(
  { vocabulary, context }: Pick<LanguageModelConfig, "vocabulary" | "context">,
  prompt: readonly number[],
  index: number,
): void {
  if (prompt.length === 0) {
    throw new RangeError(`generate: prompt ${index} is empty; it needs at least one token`);
  }
  if (prompt.length >= context) {
    throw new RangeError(
      `generate: prompt ${index} has ${prompt.length} tokens, which leaves no room in a context of ` +
        `${context}: shorten it to at most ${context - 1}`,
    );
  }
  const wrong = prompt.find((id) => !isNatural(id) || id >= vocabulary);
  if (wrong !== undefined) {
    throw new RangeError(
      `generate: prompt ${index} has token ${wrong}; the vocabulary is 0 to ${vocabulary - 1}`,
    );
  }
}
