import { assert, assertEquals, assertGreater, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  dataOf,
  generateTasks,
  integerFrom,
  mistakeFor,
  mistakeIn,
  prepareTasks,
  randomStream,
  type Reach,
  shuffled,
  silentWatch,
  taskConversation,
  taskDataset,
  type TaskExample,
  taskMaterial,
  tasks,
  tasksNamed,
  textMark,
  trainSettings,
  verifyAnswer,
  withNoise,
} from "@unitune/training";

const splits = generateTasks({ seed: 1 });
const everything = [...splits.train, ...splits.heldOut, ...splits.longer];
const prompts = (examples: readonly TaskExample[]) => new Set(examples.map(({ prompt }) => prompt));

Deno.test("the default splits have the sizes that are documented", () => {
  const { train, heldOut, test, longer } = splits;
  assertEquals([train, heldOut, test, longer].map(({ length }) => length), [20_000, 250, 250, 250]);
});

Deno.test("no held-out or longer prompt is trained on, whatever the seed", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const { train, heldOut, longer } = generateTasks({ seed, size: 2000, heldOut: 500 });
      const trained = prompts(train);
      for (const { prompt } of [...heldOut, ...longer]) assert(!trained.has(prompt), prompt);
    }),
    { numRuns: 20 },
  );
});

Deno.test("held-out and longer prompts are distinct", () => {
  for (const split of [splits.heldOut, splits.longer]) {
    assertEquals(prompts(split).size, split.length);
  }
});

Deno.test("tasks with steps are used where they are named, and no two begin with the same letter", () => {
  const all = tasks.map(({ name }) => name);
  const short = tasksNamed().map(({ name }) => name);
  assertEquals(short, ["reverse", "sort", "add", "given", "pick"]);
  assertEquals(tasksNamed(all).map(({ name }) => name), all);
  assertEquals(new Set(all.map((name) => name[0])).size, all.length);
  assert(tasks.every(({ name, world }) => short.includes(name) === (world === undefined)));
});

Deno.test("every completion is right", () => {
  for (const example of everything) assert(verifyAnswer(example, example.completion));
});

Deno.test("the tasks take turns in every split", () => {
  const names = tasksNamed().map((task) => task.name);
  for (const split of [splits.train, splits.heldOut, splits.longer]) {
    assertEquals(
      split.slice(0, 7).map((example) => example.task),
      [...names, ...names].slice(0, 7),
    );
  }
});

Deno.test("each task's prompts begin with its name, and no two with the same letter", () => {
  for (const { task, prompt } of everything) assert(prompt.startsWith(`${task} `));
  assertEquals(new Set(tasksNamed().map((task) => task.name[0])).size, tasksNamed().length);
});

Deno.test("longer prompts are longer than every prompt of their task that is trained on", () => {
  for (const { name } of tasksNamed()) {
    const lengths = (examples: readonly TaskExample[]) =>
      examples.filter(({ task }) => task === name).map(({ prompt }) => prompt.length);
    // "even" is longer than "odd", so picks are compared with their own kind.
    const shortest = Math.min(...lengths(splits.longer));
    const longest = Math.max(...lengths(splits.train));
    if (name === "pick") assertEquals([shortest, longest], [16, 15]);
    else assertGreater(shortest, longest);
  }
});

Deno.test("every example has at most 32 tokens: its characters, two roles and the stop", () => {
  for (const { prompt, completion } of everything) {
    assert(prompt.length + completion.length + 3 <= 32, prompt);
  }
});

const verdicts: [string, string, string, boolean][] = [
  ["reverse", "reverse bead", "daeb", true],
  ["reverse", "reverse bead", "bead", false],
  ["reverse", "reverse bead", "daeb ", false],
  ["sort", "sort 3142", "1234", true],
  ["sort", "sort 3132", "1233", true],
  ["sort", "sort 3132", "123", false],
  ["add", "add 12+7", "19", true],
  ["add", "add 12+7", "019", false],
  ["add", "add 999+999", "1998", true],
  ["given", "given a3 c7: c", "7", true],
  ["given", "given a3 c7: c", "3", false],
  ["given", "given a3 c7: d", "", true],
  ["pick", "pick even 23-58", "24", true],
  ["pick", "pick even 23-58", "58", true],
  ["pick", "pick even 23-58", "25", false],
  ["pick", "pick even 23-58", "22", false],
  ["pick", "pick even 23-58", "60", false],
  ["pick", "pick even 23-58", "024", false],
  ["pick", "pick even 23-58", "24.0", false],
  ["pick", "pick even 23-58", "", false],
  ["pick", "pick odd 23-58", "23", true],
  ["pick", "pick odd 23-58", "24", false],
  ["pick", "pick any 23-58", "24", false],
  ["none", "none 1", "1", false],
];

for (const [task, prompt, answer, right] of verdicts) {
  Deno.test(`${prompt}: ${JSON.stringify(answer)} is ${right ? "right" : "wrong"}`, () => {
    assertEquals(verifyAnswer({ task, prompt, completion: "" }, answer), right);
  });
}

Deno.test("pick has many right answers, and training shows them", () => {
  const { generate, verify } = tasksNamed().find((task) => task.name === "pick") ?? fail();
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom<Reach>("trained", "longer"), (seed, reach) => {
      const { prompt } = generate(randomStream(seed), reach);
      const right = Array.from({ length: 1000 }, (_, i) => String(i)).filter((i) =>
        verify(prompt, i)
      );
      assertGreater(right.length, 9);
    }),
  );
});

Deno.test("a mistake in a mistake is another wrong answer, whatever the task", () => {
  fc.assert(fc.property(fc.integer(), fc.constantFrom(...tasks), (seed, task) => {
    const example = { task: task.name, ...task.generate(randomStream(seed), "trained") };
    const mistake = mistakeFor(example, randomStream(seed, 1));
    const worse = mistakeIn(example, mistake, randomStream(seed, 2));
    assert(!verifyAnswer(example, mistake) && !verifyAnswer(example, worse));
    assertNotEquals(worse, mistake);
  }));
});

Deno.test("each example of the tasks is a triple: right, wrong, worse; the wrong way round by noise", async () => {
  const settings = trainSettings({ objective: "tpo", examples: 64, noise: 0.5 });
  const { examples, dataset } = taskMaterial(settings, silentWatch);
  assertEquals(dataset.train.length, 64);
  let noisy = 0;
  for (const [example = fail()] of examples.train) {
    const { isRight = fail, triple = fail() } = example;
    const [gold = "", chosen = "", rejected = ""] = [triple.gold, triple.chosen, triple.rejected]
      .map(([message]) => message?.content ?? fail());
    assert(!isRight(chosen));
    assertNotEquals(chosen, rejected);
    // Of wrong gold answers, the rejected one is right.
    assertEquals(isRight(rejected), !isRight(gold));
    noisy += Number(!isRight(gold));
  }
  assert(10 < noisy && noisy < 54, `${noisy} of 64`);
  const { stages: [stage = fail()] } = await prepareTasks([settings]);
  const { train, validation } = dataOf(stage.data, "triples");
  assertEquals([train.length, validation.length > 0], [64, true]);
});

function fail(): never {
  throw new Error("There is no such task");
}

Deno.test("the same seed gives the same examples, another one others", () => {
  const options = { seed: 7, size: 100, heldOut: 10, longer: 10 };
  assertEquals(generateTasks(options), generateTasks(options));
  assert(
    generateTasks(options).train[0]?.prompt !==
      generateTasks({ ...options, seed: 8 }).train[0]?.prompt,
  );
});

Deno.test("the examples of a seed are the same in every version", () => {
  // Published figures are of these: a mark that changes is a breaking change.
  const splits = generateTasks({ seed: 7, size: 100, heldOut: 10, test: 10, longer: 10 });
  assertEquals(textMark(JSON.stringify(splits)), 4_023_146_503_937_846);
});

/** The marks of each task's examples, with a mistake for each: so many are drawn that no bound hides. */
const drawn: Readonly<Record<string, number>> = {
  reverse: 8_160_053_280_373_020,
  sort: 1_043_105_597_232_633,
  add: 6_798_757_646_245_610,
  given: 7_484_614_701_619_988,
  pick: 5_146_429_362_819_324,
  carry: 6_977_289_914_872_751,
  order: 6_398_872_841_189_920,
  maze: 1_690_869_109_459_315,
  trace: 4_541_532_819_422_232,
  word: 3_688_782_124_086_260,
};

Deno.test("each task draws the same examples and mistakes in every version", () => {
  const sizes = { size: 100, heldOut: 5, test: 5, longer: 50 };
  const found = tasks.map(({ name }) => {
    const splits = generateTasks({ seed: 7, tasks: [name], ...sizes });
    const mistakes = splits.train.map((example, i) => mistakeFor(example, randomStream(i)));
    return [name, textMark(JSON.stringify([splits, mistakes]))];
  });
  assertEquals(Object.fromEntries(found), drawn);
});

Deno.test("the mistakes and the noise of a seed are the same in every version", () => {
  const given = { objective: "tpo", examples: 50, noise: 0.5 } as const;
  const markOf = (seeds: Partial<ReturnType<typeof trainSettings>>) => {
    const { examples } = taskMaterial({ ...trainSettings(given), ...seeds }, silentWatch);
    return textMark(JSON.stringify([[...examples.train], [...examples.validation]]));
  };
  assertEquals(markOf({ seed: 7 }), 3_643_554_944_661_513);
  // Data has a seed of its own, where one is given.
  assertEquals(markOf({ dataSeed: 7 }), markOf({ seed: 7 }));
});

Deno.test("longer prompts are distinct where many are drawn, and training prompts may repeat", () => {
  const many = { heldOut: 0, test: 0, size: 3000, longer: 3000 };
  // Of 10,000 words of four letters, and of 100,000 of five, some would be drawn twice.
  const { train, longer } = generateTasks({ seed: 1, tasks: ["reverse"], ...many });
  assertEquals(prompts(longer).size, 3000);
  assert(prompts(train).size < 3000);
});

Deno.test("a generation tells now and then how far it is", () => {
  const told: (readonly number[])[] = [];
  const tell = (...progress: readonly number[]) => void told.push(progress);
  generateTasks({ seed: 1, size: 5000, heldOut: 0, test: 0, longer: 0, tell });
  assertEquals(told, [[1024, 5000], [2048, 5000], [3072, 5000], [4096, 5000]]);
});

Deno.test("what is held out does not depend on how much is trained on", () => {
  const [small, large] = [100, 1000].map((size) => generateTasks({ seed: 3, size }));
  assertEquals(small?.heldOut, large?.heldOut);
  assertEquals(small?.longer, large?.longer);
});

Deno.test("more held-out prompts than there are is an error, not an endless search", () => {
  assertThrows(
    () => generateTasks({ seed: 1, size: 0, heldOut: 100_000, longer: 0 }),
    RangeError,
    "not enough prompts",
  );
});

Deno.test("noise makes none, some or all of the answers wrong", () => {
  const { train } = generateTasks({ seed: 1, size: 200, heldOut: 0, test: 0, longer: 0 });
  const wrongOf = (rate: number) =>
    withNoise(train, rate, 7).filter((own) => !verifyAnswer(own, own.completion));
  assertEquals([wrongOf(0).length, wrongOf(1).length], [0, 200]);
  assert(wrongOf(0.5).length > 60 && wrongOf(0.5).length < 140);
  for (const own of wrongOf(1)) assert(verifyAnswer(own, own.intended ?? ""));
});

Deno.test("there is a task to generate examples of", () => {
  assertThrows(() => generateTasks({ seed: 1, tasks: [] }), RangeError, "There is no task");
  const sizes = { size: 1, heldOut: 0, test: 0, longer: 0 };
  assertEquals(generateTasks({ seed: 1, tasks: ["add"], ...sizes }).train.length, 1);
});

Deno.test("an example is a conversation, and what is held out is for validation", () => {
  const small = generateTasks({ seed: 1, size: 5, heldOut: 5 });
  const dataset = taskDataset(small);
  assertEquals(dataset.validation, small.heldOut.map(taskConversation));
  const [first] = dataset.train;
  assert(typeof first === "object");
  assertEquals(first.messages.map((message) => message.role), ["user", "assistant"]);
});

Deno.test("random numbers are uniform on [0, 1)", () => {
  const random = randomStream(5);
  const counts = new Array<number>(16).fill(0);
  const draws = 160_000;
  for (let i = 0; i < draws; i++) {
    const number = random();
    assert(0 <= number && number < 1);
    const bin = Math.floor(number * 16);
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  // Each count is binomial with a standard deviation of 97; 5 of them with a fixed seed.
  for (const count of counts) assert(Math.abs(count - draws / 16) < 5 * 97);
});

Deno.test("seeds that differ anywhere give other streams", () => {
  const seeds = [0, 1, -1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 52];
  const firsts = seeds.map((seed) => randomStream(seed)());
  assertEquals(new Set(firsts).size, seeds.length);
});

Deno.test("integers are in their range and reach both ends", () => {
  const random = randomStream(2);
  const seen = new Set(Array.from({ length: 1000 }, () => integerFrom(random, -2, 3)));
  assertEquals([...seen].sort((a, b) => a - b), [-2, -1, 0, 1, 2, 3]);
});

Deno.test("shuffling keeps the elements and reaches every order", () => {
  const random = randomStream(4);
  const orders = new Set(Array.from({ length: 500 }, () => shuffled(random, "abc").join("")));
  assertEquals([...orders].sort(), ["abc", "acb", "bac", "bca", "cab", "cba"]);
});
