/** Addresses of the playground, and the objectives in them. */
import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "@unitune/training";
import {
  addressOf,
  checkLanes,
  firstPlace,
  readAddress,
} from "../../examples/playground/address.ts";
import { laneOf, untrainable, wordOf } from "../../examples/playground/lanes.ts";

Deno.test("an address holds what differs from the first place, and is read back", () => {
  assertEquals(addressOf(firstPlace), "");
  assertEquals(readAddress(""), { place: firstPlace, faults: [] });
  const { experiment } = firstPlace;
  const place = {
    view: "believe",
    experiment: {
      values: { ...experiment.values, seed: 7, task: "pick", learningRate: 0.01 },
      lanes: ["dpo(beta=0.5)", "intuitive*group-mean*clipped-grpo(lambda=0.3)"],
    },
    parts: "gold*reference*pairs-dpo(beta=0.2)",
    lake: {
      ...firstPlace.lake,
      map: "SF/FG",
      slippery: true,
      methods: "SFT,IFT l=0.2",
      lakeSeed: 3,
    },
    device: "webgpu",
  } as const;
  assertEquals(readAddress(`#${addressOf(place)}`), { place, faults: [] });
});

Deno.test("a wrong part of an address is named, and its default stands", () => {
  const faultsOf = (address: string) => readAddress(address).faults;
  assertEquals(faultsOf("#seeds=9"), [
    'seeds must be a whole number, at least 1, at most 5, not "9"',
  ]);
  assertEquals(readAddress("#seeds=9&seed=3").place.experiment.values, {
    ...firstPlace.experiment.values,
    seed: 3,
  });
  assertEquals(faultsOf("#seed="), ['seed must be a whole number, at least 0, not ""']);
  assertEquals(faultsOf("#colour=red"), [
    'the address has a setting "colour" that the playground does not know',
  ]);
  assertEquals(faultsOf("#view=past"), [
    'there is no view "past": train, compose, believe, lake, own',
  ]);
  assertEquals(faultsOf("#device=abacus"), ['there is no device "abacus": wasm, webgpu']);
  assertEquals(faultsOf("#lanes=sft;dpoo"), ['there is no objective "dpoo": did you mean dpo?']);
  assertEquals(faultsOf("#lanes=ift(lambda=2)"), [
    'ift: lambda must be a number, at least 0, at most 1, not "2"',
  ]);
  assertEquals(faultsOf("#lanes=sft(lambda=1)"), [
    'sft has no option "lambda": its options are normalizer',
  ]);
  assertEquals(readAddress("#lanes=reward-model").place, firstPlace);
  assertEquals(faultsOf("#lakeSteps=0"), [
    'lakeSteps must be a whole number, at least 1, at most 10000, not "0"',
  ]);
  assertEquals(readAddress("#parts=gold*indicator").place, firstPlace);
  assertEquals(faultsOf("#parts=gold*indicator*nll(lambda=1)").length, 1);
  // Parts that do not fit together are shown with the reason.
  assertEquals(readAddress("#parts=gold*group-mean*nll").place.parts, "gold*group-mean*nll");
});

Deno.test("one to three objectives, each once, that can be trained by", () => {
  const refusal = (words: readonly string[], text: string) =>
    assertThrows(() => checkLanes(words), UserError, text);
  checkLanes(["sft"]);
  checkLanes(["sft", "dpo", "dpo(beta=1)"]);
  refusal([], "choose 1 to 3 objectives, not 0");
  refusal(["sft", "dpo", "ift", "grpo"], "choose 1 to 3 objectives, not 4");
  refusal(["sft", "sft"], "stands there twice");
  checkLanes(["distillation", "opd"]);
  refusal(["reward-model"], "reward-model cannot be trained here: it trains a reward model");
  assertEquals(untrainable(laneOf("gold*indicator*nll").entry), undefined);
});

Deno.test("the word of an objective leaves out defaults", () => {
  const { entry, options } = laneOf("ift(lambda=0.2,gamma=0.5,embeddings=synchronised)");
  assertEquals(options, { lambda: 0.2, gamma: 0.5, embeddings: "synchronised" });
  assertEquals(wordOf(entry, options), "ift(gamma=0.5,embeddings=synchronised)");
  assertEquals(wordOf(entry, { gamma: undefined }), "ift");
});
