import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { notationOf, tableDocument } from "../../../cli/commands/objectives.ts";
import { known, objectiveTexts } from "./objective_texts.ts";
import { conditionOf } from "../../../cli/commands/objective_filter.ts";
import { UsageError } from "../../../cli/terminal/errors.ts";
import { ended, objectives, permissionsOf, start } from "../command.ts";
import { withConfig } from "../../../cli/flags/flags.ts";
import { stageOf } from "../config/stage_of.ts";
import { splitStages } from "../../../cli/flags/stages.ts";
import { parseFlags, settingFlags } from "@unitune/cli";
import { describeObjective, nearest, trainSettings, UserError } from "@unitune/training";
import {
  describeEntry,
  entryNamed,
  formulaText,
  type LossFormula,
  namesInGradient,
  namesOf,
  objectiveRegistry,
  sameName,
  slotTexts,
} from "@unitune/objectives";

const run = async (...args: string[]) => {
  const { code, stdout: out, stderr: err } = await objectives(...args);
  return { code, out, err };
};

Deno.test("objectives prints Table 1 of all objectives, in 80 columns", async () => {
  // By the task, which has no permission at all.
  const { code, stdout: out } = await ended(start("objectives", []));
  assertEquals([code, permissionsOf("objectives")], [0, []]);
  const lines = out.split("\n");
  for (const line of lines) assert(line.length <= 80, line);
  for (const name of ["sft", "ift", "dpo", "kto", "orpo", "grpo", "ppo", "reward-model"]) {
    // In the summary, and with a block of its own.
    assert(lines.some((line) => line.startsWith(`${name} `)), name);
    assert(lines.includes(name), name);
  }
  assertStringIncludes(out, "model (1 - lambda) s*_n + lambda argmax");
});

Deno.test("of counts, those above 1 are told", async () => {
  assertMatch((await run("dpo")).out, /^ {2}sequences +2$/m);
  assert(!(await run("sft")).out.includes("sequences "));
});

Deno.test("docs/table.md is the table of the objectives as they are", async () => {
  const page = await Deno.readTextFile(new URL("../../../docs/table.md", import.meta.url));
  assertEquals(page, `${tableDocument(objectiveRegistry)}\n`, "deno task objectives --markdown");
});

Deno.test("objectives --where prints the objectives that meet a condition", async () => {
  const isMet = (text: string) => {
    const condition = conditionOf(text);
    return objectiveRegistry
      .filter((entry) => condition({ entry, description: describeEntry(entry) }))
      .map(({ name }) => name);
  };
  // Order and spelling of words do not count.
  assertEquals(isMet("models=reference,policy kind=labels"), isMet("kind=labels"));
  assertEquals(isMet("data~reference-rollouts"), ["a-star-po", "xpo"]);
  assertEquals(isMet("trains~reward"), ["reward-model", "process-reward-model"]);
  // Each slot of UPGE is a column, and so is whether there are any.
  assertEquals(isMet("denominator=1 kind=demonstrations"), ["dft", "asft"]);
  assertEquals(isMet("mask=1 denominator=p advantage=A kind=rollouts"), [
    ...["reinforce", "intuitive-grpo"],
  ]);
  assertEquals(isMet("advantage~m_ref'"), ["aot"]);
  assertEquals(isMet("likelihood~s+_n"), ["tpo"]);
  assertEquals(isMet("advantage~parted"), ["iw-opd"]);
  // Of a formula only the spaces do not count.
  assertEquals(isMet("advantage=-betasigmoid(betaDl),betasigmoid(-betaDw)"), ["bco"]);
  assertEquals(isMet("likelihood~s-_n kind=rollouts"), []);
  assertEquals(isMet("denominator=P"), []);
  assertEquals(isMet("data~reward-parts data~reward"), ["gdpo"]);
  // What a column is, is all of it.
  assertEquals(isMet("models=reference"), []);
  for (
    const [text, message] of [
      ["", "--where needs a condition"],
      ["models", '"models" is no condition'],
      ["modles=policy", 'there is no column "modles": did you mean models?'],
      ["zzz=policy", 'there is no column "zzz". Columns are name, kind'],
    ] as const
  ) {
    assertThrows(() => conditionOf(text), UsageError, message);
  }
  const { out } = await run("--where", "name=dpo", "--json");
  assertEquals(Object.keys(JSON.parse(out)), ["dpo"]);
  const none = await run("--where", "name=none");
  assertEquals([none.code, none.out], [2, ""]);
  assertStringIncludes(none.err, 'no objective meets "name=none"');
});

Deno.test("objectives --json holds every description", async () => {
  const { out } = await run("--json");
  const table: Record<string, { formula: LossFormula; stepZero?: number }> = JSON.parse(out);
  // One set of names: those that `train --objective` takes.
  assertEquals(Object.keys(table), [...allObjectives]);
  assertEquals(table.sft?.formula, {
    terms: [{ expression: "sum_b sum_t l_bt / sum_b M_b" }],
    where: { l: "-log p" },
  });
  assertEquals(table.hinge?.stepZero, 1);
});

Deno.test("objectives dpo: one in depth, with the value that it computes", async () => {
  const { out } = await run("dpo");
  assertStringIncludes(out, "0.693147 (by the formula 0.693147)");
  assertStringIncludes(out, `\n  rewards/margins${" ".repeat(13)}0.000000\n`);
  const { out: json } = await run("DPO", "--json");
  const { name, computed }: { name: string; computed: Record<string, number> } = JSON.parse(json);
  assertEquals(name, "dpo");
  assert(Math.abs((computed.loss ?? NaN) - Math.LN2) < 1e-6);
});

Deno.test("the notation of each objective, its values and whole texts are those of objectives.txt", async () => {
  // Where they are meant to be others: see objective_texts.ts. Four digits are far from f32's seven.
  const lines = (await objectiveTexts()).split("\n");
  assertEquals(lines, (await Deno.readTextFile(known)).split("\n"));
});

Deno.test("some first values are as they were to seven digits", async () => {
  // Of every kind of data; f32 has seven digits.
  const values = {
    ...{ sft: 1.3933970, orpo: 1.4520049, ppo: 0.0216849, reinforce: 0.8065533 },
    tpo: 2.1441932,
    ...{ luffy: -0.0020164, uft: -0.3529166, chord: 0.0231400 },
  };
  for (const [name, value] of Object.entries(values)) {
    const { out } = await run(name, "--json");
    const { computed }: { computed: Record<string, number> } = JSON.parse(out);
    assertAlmostEquals(computed.loss ?? NaN, value, 2e-7, name);
  }
});

Deno.test("objectives describes what train minimizes where it is told no more than the name", async () => {
  const { out: all } = await run("--json");
  const table: Record<string, { groupSize: number }> = JSON.parse(all);
  for (const { name, options } of objectiveRegistry) {
    if (!Object.hasOwn(options, "groupSize")) continue;
    const { groupSize } = parseFlags(settingFlags(), []).values;
    assertEquals(groupSize, undefined, "each objective has its own default");
    const described = describeObjective(trainSettings({ objective: name }));
    assertEquals(table[name]?.groupSize, described.groupSize, name);
  }
  const { out } = await run("dr-grpo");
  assertStringIncludes(out, "max-new-tokens is 256 here; in `train` it is 4 more than");
  // An option has its own default; one that is a setting of every training has the setting's.
  assertStringIncludes(
    out,
    `
Options of \`train\`
  --group-size N            The number of answers to each prompt, which are
                            compared with each other. (at least 2; default 8)
  --clip-range X            How far a ratio may move from 1 before it is
                            clipped. (above 0; default 0.2)
  --max-new-tokens N        The most tokens of an answer. (with objectives on
                            rollouts; at least 1; default 4 more than the
                            longest answer in the data)
`,
  );
});

/** Words of formulas that are no symbols. */
const words = [
  ...["sum", "prod", "mean", "min", "max", "chosen", "desirable", "teacher", "student"],
  ...[
    "of",
    "the",
    "and",
    "their",
    "tail",
    "top",
    "among",
    "highest",
    "batch",
    "pass",
    "rate",
    "entropy",
  ],
  ...["tokens", "beyond", "the", "shorter", "length", "x", "so", "far", "step", "or"],
];

/** Names in a formula, without the indices of rows and positions. */
function namesIn(text: string): string[] {
  const names = text.match(/[a-z]+/gi) ?? [];
  return names.filter((name) => !/^[bti]+$/.test(name));
}

Deno.test("the notation of an objective explains every symbol of its loss", () => {
  for (const entry of objectiveRegistry) {
    const explained = notationOf(entry).flatMap(({ symbols, meaning }) => [...symbols, meaning]);
    const known = new Set([...words, ...explained.flatMap(namesIn)]);
    const { formula, transition, gradient } = describeEntry(entry);
    const defined = Object.entries(namesInGradient(gradient)).flat();
    const slots = gradient.flatMap((term) => {
      const { mask = "", denominator = "", advantage = "" } = slotTexts(term) ?? {};
      return [mask, denominator, advantage];
    });
    for (const text of [formulaText(formula), ...slots, ...defined]) {
      const own = new Set([...known, ...Object.keys(namesInGradient(gradient)).flatMap(namesIn)]);
      for (const name of namesIn(text).filter((name) => name !== "where")) {
        assert(own.has(name), `${entry.name}: ${name}`);
      }
    }
    const symbols = notationOf(entry).flatMap((row) => row.symbols);
    assertEquals(symbols.length, new Set(symbols).size, `${entry.name}: one meaning each`);
    for (const symbol of ["rho0", "V"]) {
      if (transition.includes(symbol)) assert(symbols.includes(symbol), entry.name);
    }
  }
});

Deno.test("objectives explains its heads, and one objective its own notation", async () => {
  const { out: all } = await run();
  assertStringIncludes(all, "passes          forward passes over the batch");
  assertStringIncludes(all, "at step 0       the loss before the first step");
  const { out: dpo } = await run("dpo");
  assertStringIncludes(dpo, "beta            the strength of the reference");
  assert(!dpo.includes("GAE"));
});

Deno.test("objectives: an unknown name or flag is a usage error with a suggestion", async () => {
  const wrong = await run("drpo");
  assertEquals(wrong.code, 2);
  assertStringIncludes(wrong.err, "did you mean");
  assertStringIncludes(
    (await run("xylophone")).err,
    `unknown objective "xylophone"; \`deno task objectives\` lists them all`,
  );
  assertEquals((await run("--jsno")).code, 2);
  const two = await run("sft", "dpo");
  assertEquals(two.code, 2);
  assertStringIncludes(two.err, `objectives takes one objective, not "dpo" beside it`);
  assertStringIncludes((await run("--help")).out, "deno task objectives dpo");
});

/** Spellings of a name: as it is, in camel and snake case, in capitals, without hyphens. */
function spellingsOf(name: string): string[] {
  const camel = name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
  const snake = name.replaceAll("-", "_");
  return [name, camel, snake, snake.toUpperCase(), name.replaceAll("-", ""), ` ${name}`];
}

const { choices: allObjectives, aliases } = namesOf(objectiveRegistry);

Deno.test("every objective is found by every spelling", () => {
  for (const name of allObjectives) {
    for (const spelling of spellingsOf(name)) {
      assertEquals(entryNamed(objectiveRegistry, spelling)?.name, name, spelling);
    }
  }
  for (const [alias, name] of Object.entries(aliases)) {
    assertEquals(entryNamed(objectiveRegistry, alias)?.name, name);
    assertEquals(sameName(alias, allObjectives), undefined, "an alias is no spelling");
  }
});

Deno.test("train takes a name in another spelling, as every flag of words does", () => {
  const given = parseFlags(settingFlags(), ["--objective", "iwSft", "--optimizer", "AdamW"]);
  assertEquals([given.values.objective, given.values.optimizer], ["iw-sft", "adamw"]);
  const stages = splitStages(["--objective", "SFT,rewardModel,Max_RL"]);
  assertEquals(stages.map((line) => parseFlags(settingFlags(), line).values.objective), [
    ...["sft", "reward-model", "max-rl"] as const,
  ]);
  const { values } = withConfig(
    settingFlags(),
    parseFlags(settingFlags(), []),
    stageOf({ objective: "maxRlGradient" }),
  );
  assertEquals(values.objective, "max-rl");
});

Deno.test("a mistyped name is answered by the nearest, in whatever spelling it is", () => {
  const rows = [["iwStf", "iw-sft"], ["rewardModle", "reward-model"], ["GPRO", "grpo"]] as const;
  for (const [word, meant] of rows) {
    assertEquals(nearest(word, allObjectives), meant);
    assertThrows(
      () => parseFlags(settingFlags(), ["--objective", word]),
      UserError,
      `--objective can't be "${word}": did you mean ${meant}?`,
    );
  }
  assertThrows(
    () => parseFlags(settingFlags(), ["--optimizer", "adam"]),
    UserError,
    `--optimizer must be one of adamw, adamw8bit, adafactor, muon, rmsprop, lion, sgd, not "adam": did you mean adamw?`,
  );
});

Deno.test("a name that is no objective is answered by a near one and a command, not by all names", () => {
  const rows = [
    ["constructor", `can't be "constructor"; \`deno task objectives\` lists them all`],
    ["maxRlGradiant", "did you mean max-rl? `deno task objectives` lists them all"],
  ] as const;
  for (const [word, told] of rows) {
    const flagged = assertThrows(
      () => parseFlags(settingFlags(), ["--objective", word]),
      UserError,
      told,
    );
    const configured = assertThrows(
      () =>
        withConfig(settingFlags(), parseFlags(settingFlags(), []), stageOf({ objective: word })),
      UserError,
      told,
    );
    for (const { message } of [flagged, configured]) assert(message.length < 120, message);
  }
});

Deno.test("a configuration whose stages are joined by commas is told how they are written", () => {
  for (
    const [name, value, told] of [
      ["objective", "sft,DPO", `[{"objective":"sft"},{"objective":"dpo"}]`],
      ["learning-rate", "1e-3,3e-4", `[{"learningRate":0.001},{"learningRate":0.0003}]`],
    ] as const
  ) {
    assertThrows(
      () => withConfig(settingFlags(), parseFlags(settingFlags(), []), stageOf({ [name]: value })),
      UserError,
      `stages are a JSON array of objects, as in ${told}`,
    );
  }
});

Deno.test("objectives finds an objective by any of its names", async () => {
  for (const word of ["reward-model", "rewardModel", "RewardModel"]) {
    const { code, out } = await run(word);
    assertEquals([code, out.split("\n")[0]], [0, "reward-model"]);
  }
  const { out } = await run("--json", "maxRlGradient");
  assertEquals(JSON.parse(out).name, "max-rl");
});
