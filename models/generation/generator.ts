/**
 * Generation: prompts to completions, with a cache of keys and values.
 *
 * A prompt that is asked for several times is read once. A completion that ends gives its place to
 * the next prompt (continuous batching; Yu et al. 2022, Orca).
 */
import type { CompileOptions } from "@unitune/core";
import type { CachedModel } from "../language_model.ts";
import { type Asked, generationBatch, type Grown } from "./batch.ts";
import { type Completion, generatedIds, growingCompletion } from "./completion.ts";
import { checkPrompt, type GenerateOptions, settle } from "./options.ts";
import { generationPrograms, KEPT_TOKENS } from "./programs.ts";
import { sizeAbove } from "./sizes.ts";

/** Compiled generation. */
export interface TokenGenerator<P> {
  /**
   * One completion for each prompt.
   *
   * A completion ends at the first stop token, with the token that completes a stop string, after
   * `maxNewTokens`, or when prompt and completion fill the context. It depends on its own prompt and
   * number, not on the other prompts or the number of places: apart from rounding, it is the same in
   * any batch. On wasm it has the same bits; WebGPU chooses kernels by the sizes.
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

/**
 * Compiles generation for a model: one program reads prompts, one gives them places, and one adds a
 * token in every place, with its state donated. Tokens stay on the device for some steps. Programs
 * are kept, by the number of places and rounded lengths, for later calls. The cache has `B x S`
 * columns for B places and S tokens of the longest prompt and completion together, at most the
 * context. Parameters on the host are copied at every step: have large ones on the device, by
 * `onDevice` of `@unitune/core`.
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
  const programs = generationPrograms(model, compileOptions);

  /** The completions that grow, as they stand after every `most` tokens. */
  async function* complete(
    params: P,
    prompts: readonly (readonly number[])[],
    options: GenerateOptions,
    most: number,
  ): AsyncGenerator<readonly Grown[], void, void> {
    const drawing = settle(model.config, prompts.length, options);
    const { signal, watch } = options;
    const { context } = model.config;
    prompts.forEach((prompt, i) => checkPrompt(model.config, prompt, i));
    signal?.throwIfAborted();

    const asked = prompts.map((ids, row): Asked => {
      const room = Math.min(drawing.maxNewTokens, context - ids.length);
      const growing = growingCompletion(room, drawing.stops, watch?.());
      return { key: ids.join(), ids, row, room, growing };
    });
    const longest = asked.reduce((most, { ids, room }) => Math.max(most, ids.length + room), 0);
    const sizes = {
      places: Math.min(drawing.places, prompts.length),
      columns: Math.min(sizeAbove(longest), context),
    };
    const batch = generationBatch({ programs, params, asked, drawing, sizes });
    // Node 20 has no `using`.
    try {
      while (batch.refill()) {
        const grown = await batch.grow(most);
        if (signal !== undefined) {
          await turnOfEventLoop();
          signal.throwIfAborted();
        }
        yield grown;
      }
    } finally {
      batch[Symbol.dispose]();
    }
  }

  return {
    async generate(params, prompts, options) {
      const completions: Completion[] = [];
      let count = 0;
      for await (const grown of complete(params, prompts, options, KEPT_TOKENS)) {
        const whole = grown.filter(({ isWhole }) => isWhole);
        for (const { row, completion } of whole) completions[row] = completion;
        count += whole.length;
        if (whole.length > 0) options.progress?.(count);
      }
      return completions;
    },
    async *stream(params, prompt, options) {
      let given = 0;
      for await (const [grown] of complete(params, [prompt], options, 1)) {
        const ids = grown === undefined ? [] : generatedIds(grown.completion);
        yield* ids.slice(given);
        given = ids.length;
      }
    },
    [Symbol.dispose]() {
      programs[Symbol.dispose]();
    },
  };
}

/** Lets timers and listeners run, which wait while promises follow each other. */
function turnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
