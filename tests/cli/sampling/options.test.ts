/** Options of sampling: those of a command line come first, then those of the model's file. */
import { assertEquals } from "@std/assert";
import { describeOptions, generationOptions } from "../../../cli/sampling/generation_settings.ts";

const settings = {
  ...{ isStated: true, temperature: 0.5, topK: 9, topP: 0.75, maxNewTokens: 7, unapplied: [] },
};

Deno.test("what is given comes before what the file says, and nothing is drawn at temperature 0", () => {
  const rows: readonly (readonly [...Parameters<typeof generationOptions>, object, string])[] = [
    [
      ...[{}, undefined, 5] as const,
      { maxNewTokens: 5, temperature: 0 },
      "greedy: always the most likely token",
    ],
    [
      ...[{}, settings, 5] as const,
      { maxNewTokens: 7, temperature: 0.5, topK: 9, topP: 0.75 },
      "temperature 0.5, top-k 9, top-p 0.75",
    ],
    [
      ...[{ temperature: 2, topK: 1, topP: 0.25, maxNewTokens: 3 }, settings, 5] as const,
      { maxNewTokens: 3, temperature: 2, topK: 1, topP: 0.25 },
      "temperature 2, top-k 1, top-p 0.25",
    ],
    [
      ...[{ temperature: 0 }, settings, 5] as const,
      { maxNewTokens: 7, temperature: 0 },
      "greedy: always the most likely token",
    ],
    // What is given is kept: the generator refuses what makes no sense.
    [
      ...[{ temperature: 0, topK: 2, topP: 0.5 }, settings, 5] as const,
      { maxNewTokens: 7, temperature: 0, topK: 2, topP: 0.5 },
      "greedy: always the most likely token",
    ],
    [
      ...[{ temperature: 1, topP: 0.5 }, undefined, 5] as const,
      { maxNewTokens: 5, temperature: 1, topP: 0.5 },
      "temperature 1, top-p 0.5",
    ],
    [
      ...[{}, { isStated: true, temperature: 1, unapplied: [] }, 5] as const,
      { maxNewTokens: 5, temperature: 1 },
      "temperature 1",
    ],
  ];
  for (const [given, own, longest, options, words] of rows) {
    const found = generationOptions(given, own, longest);
    assertEquals([found, describeOptions(found)], [options, words]);
  }
});
