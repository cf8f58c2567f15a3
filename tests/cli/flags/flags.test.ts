import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { editDistance, nearest, UserError } from "@unitune/training";
import { flagsInVain, withConfig } from "../../../cli/flags/flags.ts";
import { stageOf } from "../config/stage_of.ts";
import { type FlagTable, helpText, parseFlags, UsageError, wantsHelp } from "@unitune/cli";

const table = {
  objective: {
    kind: "choice",
    choices: ["sft", "ift"],
    default: "sft",
    help: "What is minimised.",
  },
  data: { kind: "string", placeholder: "FILE", group: "Data", help: "A data file." },
  steps: { kind: "integer", default: 100, min: 1, max: 1e6, group: "Training", help: "Steps." },
  "learning-rate": { kind: "number", default: 1e-3, above: 0, group: "Training", help: "Rate." },
  dropout: { kind: "number", default: 0, min: 0, below: 1, group: "Training", help: "Dropout." },
  seed: { kind: "integer", group: "Training", help: "The seed." },
  resume: { kind: "boolean", help: "Go on with a run." },
  progress: { kind: "boolean", default: true, help: "Show no progress." },
} as const satisfies FlagTable;

const defaults = {
  objective: "sft",
  data: undefined,
  steps: 100,
  learningRate: 1e-3,
  dropout: 0,
  seed: undefined,
  resume: false,
  progress: true,
} as const;

Deno.test("without arguments, everything is at its default", () => {
  const { values, sources } = parseFlags(table, []);
  assertEquals(values, defaults);
  assert(Object.values(sources).every((source) => source === "default"));
});

Deno.test("the types of the values follow from the table", () => {
  const { values } = parseFlags(table, []);
  const typed: {
    objective: "sft" | "ift";
    data: string | undefined;
    steps: number;
    resume: boolean;
  } = values;
  // @ts-expect-error: a flag without a default may be undefined.
  const seed: number = values.seed;
  // @ts-expect-error: there is no such flag.
  assertEquals([typed.steps, seed, values.batchSize], [100, undefined, undefined]);
});

Deno.test("a flag that another flag's value switches off is in vain where it is given", () => {
  const switched = {
    ...table,
    lambda: { kind: "number", default: 0.2, when: { objective: ["ift"] }, help: "A share." },
  } as const satisfies FlagTable;
  const inVain = (config: unknown, ...argv: string[]) => [
    ...flagsInVain(switched, withConfig(switched, parseFlags(switched, argv), stageOf(config))),
  ];
  assertEquals(inVain({}), []);
  assertEquals(inVain({}, "--objective", "ift", "--lambda", "0.5"), []);
  assertEquals(inVain({ objective: "ift" }, "--lambda", "0.5"), []);
  const reason = "has an effect only with --objective ift, not with sft";
  assertEquals(inVain({}, "--lambda", "0.2"), [["lambda", reason]]);
  assertEquals(inVain({ lambda: 0.2 }), [["lambda", reason]]);
  assertStringIncludes(helpText(switched, ""), "A share. (with --objective ift; default 0.2)");
});

const accepted: [string[], Partial<Record<keyof typeof defaults, unknown>>][] = [
  [["--steps", "5"], { steps: 5 }],
  [["--steps=5", "--steps=6"], { steps: 6 }],
  [["--learning-rate", "3e-4"], { learningRate: 3e-4 }],
  [["--seed=-1"], { seed: -1 }],
  [["--seed", "-1"], { seed: -1 }],
  [["--objective", "ift", "--resume"], { objective: "ift", resume: true }],
  [["--no-progress"], { progress: false }],
  [["--resume=false"], { resume: false }],
  [["--data", "a b.txt"], { data: "a b.txt" }],
  [["--data=12"], { data: "12" }],
];

for (const [argv, changed] of accepted) {
  Deno.test(`accepts ${argv.join(" ")}`, () => {
    const { values, sources } = parseFlags(table, argv);
    assertEquals<unknown>(values, { ...defaults, ...changed });
    const given = Object.entries(sources).flatMap(([name, from]) => from === "flag" ? [name] : []);
    assertEquals(given.sort(), Object.keys(changed).sort());
  });
}

const refused: [string[], string][] = [
  [[`--${"x".repeat(79)}`], " characters left out) …xxxx"],
  [["--stesp", "5"], "unknown flag --stesp: did you mean --steps?"],
  [["--lerning-rate=1"], "unknown flag --lerning-rate: did you mean --learning-rate?"],
  [["--no-resum"], "unknown flag --no-resum: did you mean --resume?"],
  [["--bananas"], "unknown flag --bananas"],
  [["--no-steps"], "unknown flag --no-steps"],
  [["-x"], "unknown flag -x"],
  [["data.txt"], `unexpected argument "data.txt"`],
  [["--resume", "runs/a"], `unexpected argument "runs/a"`],
  [["--", "--steps"], "unknown flag --steps"],
  [["--data"], "--data needs a value"],
  [["--data="], "--data needs a value"],
  [["--data", "--resume"], "--data needs a value"],
  [["--data", "-a"], "one that starts with a dash is written --data=-"],
  [["--steps", "-5"], `--steps must be a whole number, at least 1, at most 1000000, not "-5"`],
  [["--resume", "-5"], "unknown flag -5"],
  [["--steps", "many"], `--steps must be a whole number, at least 1, at most 1000000, not "many"`],
  [["--steps", "1.5"], "--steps must be a whole number"],
  [["--steps", "0"], "at least 1"],
  [["--steps", "1000001"], "at most 1000000"],
  [["--steps", "1e99"], "--steps must be"],
  [["--learning-rate", "0"], "--learning-rate must be a number, above 0"],
  [["--learning-rate", "Infinity"], "--learning-rate must be"],
  [["--learning-rate", "NaN"], "--learning-rate must be"],
  [["--learning-rate", " "], "--learning-rate must be"],
  [["--dropout", "1"], "--dropout must be a number, at least 0, below 1"],
  [["--objective", "stf"], `--objective must be one of sft, ift, not "stf"`],
  [["--resume=maybe"], `--resume must be true or false, not "maybe"`],
  [["--no-resume=false"], "--no-resume takes no value"],
  [["--no-resume="], "--no-resume takes no value"],
];

for (const [argv, message] of refused) {
  Deno.test(`refuses ${argv.join(" ")}`, () => {
    assertThrows(() => parseFlags(table, argv), UsageError, message);
  });
}

Deno.test("flags win over the configuration, which wins over the defaults", () => {
  const parsed = parseFlags(table, ["--steps", "5", "--no-progress"]);
  const config = { steps: 7, learning_rate: 0.5, objective: "ift", progress: true };
  const { values, sources } = withConfig(table, parsed, stageOf(config));
  assertEquals<unknown>(values, {
    ...defaults,
    steps: 5,
    learningRate: 0.5,
    objective: "ift",
    progress: false,
  });
  assertEquals(
    [sources.steps, sources.learningRate, sources.seed, sources.progress],
    ["flag", "config", "default", "flag"],
  );
});

Deno.test("a configuration's keys are read in kebab, camel and snake case", () => {
  for (const key of ["learning-rate", "learningRate", "learning_rate"]) {
    const { values } = withConfig(table, parseFlags(table, []), stageOf({ [key]: 0.5 }));
    assertEquals(values.learningRate, 0.5);
  }
});

const refusedConfigs: [unknown, string][] = [
  [[1], "config.json, stage 1 must hold a JSON object"],
  [null, "config.json must hold a JSON object"],
  [{ stesp: 5 }, `config.json: unknown key "stesp": did you mean steps?`],
  [{ toString: 5 }, `config.json: unknown key "toString"`],
  [{ steps: "5" }, `config.json: "steps" must be a whole number, at least 1`],
  [{ steps: 0 }, "at least 1"],
  [{ seed: null }, `"seed" must be a whole number, not null`],
  [{ resume: "yes" }, `"resume" must be true or false, not "yes"`],
  [{ objective: "stf" }, `"objective" must be one of sft, ift`],
  [{ data: 5 }, `"data" must be a text, not 5`],
  [{ "learning-rate": 1, learningRate: 2 }, "says learning-rate a second time"],
];

for (const [config, message] of refusedConfigs) {
  Deno.test(`refuses the configuration ${JSON.stringify(config)}`, () => {
    const error = assertThrows(
      () => withConfig(table, parseFlags(table, ["--steps", "5"]), stageOf(config)),
      UserError,
      message,
    );
    assert(!(error instanceof UsageError));
  });
}

Deno.test("help is asked for whatever else is wrong", () => {
  assert(wantsHelp(["--stesp", "--help"]));
  assert(wantsHelp(["-h"]));
  assert(!wantsHelp(["--steps", "5"]));
});

Deno.test("the help names every flag with its range and default, grouped, in 80 columns", () => {
  const usage = "deno task train [flags]\n\n" + "Trains a model on what it is given. ".repeat(4);
  const long = {
    ...table,
    "a-flag-with-a-name-that-is-long": { kind: "boolean", help: "word ".repeat(40).trim() },
  } as const;
  const help = helpText(long, usage);
  assert(help.split("\n").every((line) => line.length <= 80));
  for (const name of Object.keys(table).filter((name) => name !== "progress")) {
    assertStringIncludes(help, `--${name}`);
  }
  assertStringIncludes(help, "--no-progress");
  assertStringIncludes(
    help,
    "\nTraining\n  --steps N                 Steps. (1 to 1000000; default 100)",
  );
  assertStringIncludes(help, "\nData\n  --data FILE               A data file.\n");
  assertStringIncludes(help, "--objective sft|ift");
});

Deno.test("help lists the range of a number, with one limit or with two", () => {
  const rows = [
    [{ min: 1, max: 9 }, "1 to 9"],
    [{ above: 0, below: 1 }, "above 0 to below 1"],
    [{ min: 2 }, "at least 2"],
    [{ above: 0 }, "above 0"],
    [{ max: 3 }, "at most 3"],
    [{ below: 0.5 }, "below 0.5"],
  ] as const;
  for (const [limits, told] of rows) {
    const help = helpText({ x: { kind: "number", help: "X.", ...limits } }, "");
    assertStringIncludes(help, `X. (${told})`);
  }
  assertStringIncludes(helpText({ x: { kind: "number", help: "X." } }, ""), "X.\n");
});

Deno.test("edit distance is a metric's: zero on the same, symmetric, at most the longer", () => {
  // A small alphabet, so that words share letters.
  const words = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 6 });
  fc.assert(fc.property(words, words, (a, b) => {
    assertEquals(editDistance(a, a), 0);
    assertEquals(editDistance(a, b), editDistance(b, a));
    assert(a === b || editDistance(a, b) > 0);
    assert(editDistance(a, b) <= Math.max(a.length, b.length));
    assert(editDistance(a, b) >= Math.abs(a.length - b.length));
  }));
});

Deno.test("edit distance counts insertions, deletions, replacements and swaps", () => {
  const rows: [string, string, number][] = [
    ["", "abc", 3],
    ["kitten", "sitting", 3],
    ["stesp", "steps", 1],
    ["ab", "ba", 1],
    ["abcd", "badc", 2],
  ];
  for (const [a, b, distance] of rows) assertEquals(editDistance(a, b), distance);
});

Deno.test("the nearest name is suggested only where it is near", () => {
  const names = ["steps", "seed", "gradient-accumulation"];
  assertEquals(nearest("stpes", names), "steps");
  assertEquals(nearest("gradient-acumulation-steps", names), "gradient-accumulation");
  assertEquals(nearest("gradient", names), undefined);
  assertEquals(nearest("xyz", names), undefined);
  // A third of the letters may be wrong, rounded down, and two of a short name.
  assertEquals(nearest("vwxyefghijkl", ["abcdefghijkl"]), "abcdefghijkl");
  assertEquals(nearest("uvwxyfghijkl", ["abcdefghijkl"]), undefined);
  assertEquals(nearest("xyc", ["abc"]), "abc");
  assertEquals(nearest("xyz", ["abc"]), undefined);
});

Deno.test("numbers that 32 bits make 0 or Infinity, or that reach a limit, are refused", () => {
  const table = {
    clip: { kind: "number", min: 0, help: "" },
    rate: { kind: "number", above: 0, help: "" },
    beta: { kind: "number", min: 0, below: 1, help: "" },
    seed: { kind: "integer", help: "" },
  } as const;
  const wrong: readonly (readonly [string, string, string])[] = [
    [
      "--clip",
      "1e300",
      "--clip must be a number, at least 0, not 1e300, which is Infinity in 32 bits",
    ],
    ["--clip", "1e-300", "which is 0 in 32 bits"],
    ["--rate", "1e-50", "--rate must be a number, above 0, not 1e-50, which is 0 in 32 bits"],
    ["--beta", "0.9999999999", "which is 1 in 32 bits"],
    ["--clip", "-1", "--clip must be a number, at least 0, not -1"],
    ["--clip", "NaN", "--clip must be a number, at least 0, not "],
  ];
  for (const [flag, value, message] of wrong) {
    const error = assertThrows(() => parseFlags(table, [`${flag}=${value}`]), UsageError);
    assertStringIncludes(error.message.replaceAll('"', ""), message);
  }
  const { values } = parseFlags(table, [
    "--clip",
    "0",
    "--rate",
    "1e-30",
    "--seed",
    "9007199254740991",
  ]);
  assertEquals([values.clip, values.rate, values.seed], [0, 1e-30, 2 ** 53 - 1]);
});

Deno.test("a wrong value is told as a whole, with the one that may be meant", () => {
  const nine = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
  const choices = {
    eight: { kind: "choice", choices: nine.slice(0, 8), aliases: { acht: "eight" }, help: "" },
    nine: { kind: "choice", choices: nine, help: "" },
    named: { kind: "choice", choices: nine, listedBy: "deno task names", help: "" },
    deep: { kind: "boolean", help: "" },
    share: { kind: "number", when: { deep: ["true"] }, help: "" },
    rate: { kind: "number", when: { eight: ["one"] }, help: "" },
    text: { kind: "string", help: "" },
  } as const satisfies FlagTable;
  const told = (...argv: readonly string[]) =>
    assertThrows(() => parseFlags(choices, argv), UsageError).message;
  const list = nine.join(", ");
  assertEquals(
    told("--eight", "sevn"),
    `--eight must be one of ${nine.slice(0, 8).join(", ")}, not "sevn": did you mean seven?`,
  );
  assertEquals(
    told("--eight", "achd"),
    `--eight must be one of ${nine.slice(0, 8).join(", ")}, not "achd": did you mean eight?`,
  );
  assertEquals(told("--nine", "sevn"), `--nine can't be "sevn": did you mean seven?`);
  assertEquals(told("--nine", "xylophone"), `--nine must be one of ${list}, not "xylophone"`);
  assertEquals(
    told("--named", "sevn"),
    `--named can't be "sevn": did you mean seven? \`deno task names\` lists them all`,
  );
  assertEquals(
    told("--named", "xylophone"),
    `--named can't be "xylophone"; \`deno task names\` lists them all`,
  );
  assertEquals(told("--deep="), `--deep must be true or false, not ""`);
  assertEquals(told("--text="), told("--text", "-a"));
  assertEquals(told("--deap="), "unknown flag --deap: did you mean --deep?");
  assertEquals(told("--zzz="), "unknown flag --zzz");
  assertEquals(told(`--${"z".repeat(78)}`), `unknown flag --${"z".repeat(78)}`);
  assertEquals(told("-"), `unexpected argument "-": a value follows its flag`);
  // A flag that is unknown takes no value: what follows is not one of its own.
  assertEquals(told("--zzz", "5"), "unknown flag --zzz");
  assertEquals(
    told("--text", "-a"),
    [
      "--text needs a value (one that starts with a dash is written --text=-…)",
    ].join(),
  );
  const vain = (...argv: readonly string[]) =>
    [...flagsInVain(choices, parseFlags(choices, argv))].map((entry) => entry.join(" ")).join();
  assertEquals(vain("--share", "-1"), "share has an effect only with --deep true");
  assertEquals(vain("--rate", "1"), "rate has an effect only with --eight one, not with undefined");
  assertEquals(
    vain("--rate", "-.5", "--eight", "two"),
    [
      "rate has an effect only with --eight one, not with two",
    ].join(),
  );
  assertEquals(vain("--rate", "1", "--eight", "one", "--deep", "--share", "2"), "");
});

Deno.test("a configuration whose values are joined by commas is told the stages that it may mean", () => {
  const told = (config: object) =>
    assertThrows(() => withConfig(table, parseFlags(table, []), stageOf(config)), UserError).message
      .replace(/^.*?: /, "");
  assertEquals(
    told({ steps: "5,7,9" }),
    `"steps" can't be "5,7,9": in a file, stages are a JSON array of objects, as in ` +
      `[{"steps":5},{"steps":7},{"steps":9}]`,
  );
  assertEquals(
    told({ objective: "sft,ift" }),
    `"objective" can't be "sft,ift": in a file, stages are a JSON array of objects, as in ` +
      `[{"objective":"sft"},{"objective":"ift"}]`,
  );
  assertEquals(
    told({ objective: "sft,x" }),
    `"objective" must be one of sft, ift, not "sft,x": did you mean sft?`,
  );
  assertEquals(told({ seed: "x" }), `"seed" must be a whole number, not "x"`);
});
