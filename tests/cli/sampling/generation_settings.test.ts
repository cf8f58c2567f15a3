/** `generation_config.json`: what is taken of it, with transformers' defaults, and what is told. */
import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "@unitune/training";
import { readGenerationSettings } from "../../../cli/sampling/generation_settings.ts";

const read = (settings: object) => readGenerationSettings(JSON.stringify(settings), "config");

Deno.test("without do_sample the likeliest token is taken, with it transformers' defaults hold", () => {
  const greedy = { isStated: false, temperature: 0, unapplied: [] };
  assertEquals(read({}), greedy);
  assertEquals(read({ temperature: 0.5 }), greedy);
  assertEquals(read({ do_sample: false }), { ...greedy, isStated: true });
  const sampled = { isStated: true, temperature: 1, unapplied: [] };
  assertEquals(read({ do_sample: true }), { ...sampled, topK: 50 });
  assertEquals(read({ do_sample: true, top_k: 0, top_p: 1 }), sampled);
  assertEquals(read({ do_sample: true, top_k: 1, top_p: 0.5, temperature: 0 }), {
    ...{ isStated: true, temperature: 0, topK: 1, topP: 0.5, unapplied: [] },
  });
  assertEquals(read({ max_new_tokens: 1, stop_strings: "a", top_k: null }), {
    ...greedy,
    ...{ maxNewTokens: 1, stopStrings: ["a"] },
  });
});

Deno.test("what is out of its range is refused by its name", () => {
  const refused: readonly (readonly [settings: object, message: string])[] = [
    [{ temperature: -1 }, "config: temperature is -1, expected a number from 0"],
    [{ top_k: -1 }, "config: top_k is -1, expected an integer from 0"],
    [{ top_k: 0.5 }, "config: top_k is 0.5"],
    [{ top_p: 0 }, "config: top_p is 0, expected a probability above 0"],
    [{ top_p: 1.1 }, "config: top_p is 1.1"],
    [{ max_new_tokens: 0 }, "config: max_new_tokens is 0, expected an integer from 1"],
    [{ max_new_tokens: "5" }, "config: max_new_tokens is"],
    [{ stop_strings: ["a", ""] }, "config: stop_strings is"],
    [[], "config is a JSON object, not"],
  ];
  for (const [settings, message] of refused) {
    assertThrows(() => read(settings), UserError, message);
  }
  assertThrows(() => readGenerationSettings("{", "config"), UserError, "config is not JSON: ");
});

Deno.test("a setting that would change the answers is told, and one that changes nothing is not", () => {
  const neutral = {
    ...{ repetition_penalty: 1, encoder_repetition_penalty: 1, no_repeat_ngram_size: 0 },
    ...{ num_beams: 1, num_beam_groups: 1, diversity_penalty: 0, penalty_alpha: 0 },
    ...{ guidance_scale: 1, min_length: 0, min_new_tokens: 0, bad_words_ids: [] },
    ...{ constraints: null },
  };
  const ofDraws = { min_p: 0, typical_p: 1, epsilon_cutoff: 0, eta_cutoff: 0 };
  assertEquals(read({ ...neutral, ...ofDraws, do_sample: true }).unapplied, []);
  const told = (name: string, value: unknown, isSampled: boolean) =>
    read({ do_sample: isSampled, [name]: value }).unapplied;
  for (const [name, value] of Object.entries({ ...neutral, ...ofDraws })) {
    const other = typeof value === "number" ? value + 0.5 : [1];
    const words = [`${name} ${JSON.stringify(other)}`];
    assertEquals(told(name, other, true), words);
    assertEquals(told(name, other, false), name in ofDraws ? [] : words);
  }
  assertEquals(told("top_h", 0.4, true), ["top_h 0.4"]);
  assertEquals(told("top_h", 0.4, false), []);
});
