/** A small part of `deno task fuzz`, of a fixed seed, and that it would notice what it looks for. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { readStudy } from "../../cli/study/saved_study.ts";
import {
  studyMarkdown,
  studyRemarks,
  studyRows,
  studyRuns,
  studyTried,
} from "../../cli/study/table.ts";
import { key, leavesOf } from "@unitune/core";
import {
  adapt,
  adapterBaseIn,
  encodeAdapter,
  filesSource,
  languageModel,
  presetConfig,
  readAdapter,
} from "@unitune/models";
import { UserError } from "@unitune/training";
import { inFolder } from "../cli/command.ts";
import { makeGoodRun } from "./good_run.ts";
import { kinds, randomOf, safetensorsInput } from "./inputs.ts";
import { damaged, jsonOf, mutated } from "./mutations.ts";
import { faultOf, faultOfCommand } from "./verdict.ts";
import { judge } from "./worker.ts";

/** The seed, and inputs of each kind. */
const [SEED, COUNT] = [1, 60];

inFolder("damaged files, runs and settings are read or refused in a sentence", async (folder) => {
  const good = await makeGoodRun(folder);
  for (const kind of kinds) {
    let refused = 0;
    for (let number = 0; number < COUNT; number++) {
      const own = `${folder}/${kind}-${number}`;
      await Deno.mkdir(own);
      const { fault, isRefused } = await judge({ kind, seed: SEED, number, folder: own }, good);
      assertEquals(fault, undefined, `--seed ${SEED} --only ${kind}:${number}: ${fault}`);
      if (isRefused) refused++;
    }
    // Neither is everything damaged beyond reading, nor nothing.
    assert(refused > 0.3 * COUNT && refused < COUNT, `${kind}: ${refused} refused`);
  }
});

Deno.test("the same seed and number damage the same way, and others another way", () => {
  const bytes = new TextEncoder().encode('{"a":[1,2,3],"b":"text"}'.repeat(20));
  const damage = (number: number) => damaged(randomOf("data", 3, number), bytes);
  assertEquals(damage(1), damage(1));
  const kinds = new Set(Array.from({ length: 50 }, (_, i) => damage(i).join()));
  assert(kinds.size > 40);
  const values = (number: number) => {
    const random = randomOf("runs", 3, number);
    return jsonOf(random, mutated(random, { a: [1, 2, { b: "c" }], d: 4 }));
  };
  assertEquals(values(1), values(1));
  assert(new Set(Array.from({ length: 50 }, (_, i) => values(i))).size > 30);
});

Deno.test("defects, stacks, long messages and control characters are faults", () => {
  assertMatch(faultOf(new TypeError("x is undefined")) ?? "", /defect/);
  assertEquals(faultOf(new UserError("data.txt is empty")), undefined);
  const command = (stderr: string, code = 1) => faultOfCommand({ code, stdout: "", stderr });
  assertEquals(command("error: data.txt is empty\n"), undefined);
  assertEquals(command("error: unknown flag --x\nSee --help.\n", 2), undefined);
  assertEquals(command("step 1/2\n", 0), undefined);
  for (
    const fault of [
      command("error: x\n    at main (cli/commands/train.ts:1:1)\n"),
      command(`error: ${"x".repeat(1001)}\n`),
      command("error: \x1b[2J\n"),
      command("Terminated"),
      command("unexpected error (a defect of the program): x", 70),
      command("", 134),
      faultOfCommand({ code: 0, stdout: "\x07", stderr: "" }),
    ]
  ) assert(fault !== undefined);
});

inFolder("a study that was changed is read or refused in a sentence", async (folder) => {
  const settings = { objective: "sft" };
  const plan = {
    ...{ command: "deno task compare", seeds: 2, selectionSeeds: 1, rates: [1e-3], samples: 4 },
    ...{ arms: [{ name: "sft", about: "more of the same", settings }], isWholeGrid: false },
    helpers: [],
    ...{ base: { steps: 1 }, shared: { steps: 1 } },
  };
  const cost = { examples: 1, forwardTokens: 2, backwardTokens: 3 };
  const result = (arm: string, seed: number) => ({
    ...{ arm, point: "", seed, run: `runs/${arm}/seed-${seed}`, cost, weights: "" },
    measures: { exact_match: 0.5, "validation/exact_match": 0.5, "pairs/accuracy": null },
  });
  const results = {
    chosen: { sft: "", base: "" },
    results: [0, 1].flatMap((seed) => [result("base", seed), result("sft", seed)]),
  };
  let refused = 0;
  for (let number = 0; number < 300; number++) {
    const random = randomOf("runs", 5, number);
    const inPlan = number % 2 === 0;
    await Deno.writeTextFile(
      `${folder}/study.json`,
      jsonOf(random, inPlan ? mutated(random, plan) : plan),
    );
    await Deno.writeTextFile(
      `${folder}/results.json`,
      jsonOf(random, inPlan ? results : mutated(random, results)),
    );
    try {
      const study = await readStudy(folder);
      const rows = studyRows(study.plan, study.results);
      assertEquals(rows.length, study.plan.arms.length + 1);
      studyMarkdown(study.plan, study.results);
      for (const lines of [studyRemarks, studyTried, studyRuns]) lines(study.plan, study.results);
    } catch (error) {
      refused++;
      assertEquals(faultOf(error), undefined, `number ${number}`);
    }
  }
  assert(refused > 50 && refused < 300, `${refused} refused`);
});

Deno.test("an adapter that was changed is read or refused in a sentence", async () => {
  const sizes = { vocabulary: 5, width: 8, heads: 2, layers: 1, context: 4 };
  const model = languageModel(presetConfig("nano-llama", sizes));
  const base = { model, params: model.init(key(0)) };
  const adapted = adapt(base, {
    ...{ rank: 1, alpha: 2, dropout: 0, targets: ["q_proj", "o_proj"], saved: ["embed_tokens"] },
    ...{ isRankStabilized: false, hasMagnitudes: true },
  });
  const files = await encodeAdapter({ model: adapted, params: adapted.init(key(1)) }, {
    baseName: "a/b",
  });
  const weights = files.get("adapter_model.safetensors") ?? new Uint8Array();
  const settings: unknown = JSON.parse(
    new TextDecoder().decode(files.get("adapter_config.json")),
  );
  let refused = 0;
  for (let number = 0; number < 300; number++) {
    const random = randomOf("safetensors", 7, number);
    const inWeights = number % 2 === 0;
    const text = jsonOf(random, inWeights ? settings : mutated(random, settings));
    const source = filesSource(
      new Map([
        ["adapter_config.json", new TextEncoder().encode(text)],
        ["adapter_model.safetensors", inWeights ? safetensorsInput(random, weights) : weights],
      ]),
    );
    try {
      await adapterBaseIn(source);
      const read = await readAdapter(source, base);
      assertEquals(leavesOf(read.params).length, 7);
    } catch (error) {
      refused++;
      assertEquals(faultOf(error), undefined, `number ${number}`);
    }
  }
  assert(refused > 50 && refused < 300, `${refused} refused`);
});
