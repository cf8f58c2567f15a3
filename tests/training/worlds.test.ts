import { assert, assertEquals, assertExists, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  defineWorld,
  END,
  generateTasks,
  integerFrom,
  mistakeFor,
  mistaken,
  randomStream,
  readAnswer,
  rightAnswer,
  silentWatch,
  type Situation,
  taskMaterial,
  tasks,
  trainSettings,
  verifyAnswer,
  verifyPrompt,
  type World,
  worlds,
} from "@unitune/training";

const all: readonly World[] = Object.values(worlds);

/** A prompt of a world, of training or longer. */
function promptOf(world: World, seed: number, reach: "trained" | "longer" = "trained"): string {
  const random = randomStream(seed);
  const [least, greatest] = world.difficulty[reach];
  return world.draw(random, integerFrom(random, least, greatest));
}

const reaches = fc.constantFrom("trained" as const, "longer" as const);

for (const world of all) {
  const { name } = world;

  Deno.test(`${name}: the world reads its own answers as right, and they solve their prompts`, () => {
    fc.assert(fc.property(fc.integer(), reaches, (seed, reach) => {
      const prompt = promptOf(world, seed, reach);
      const answer = rightAnswer(world.begin(prompt));
      const { steps, rest, now } = readAnswer(world, prompt, answer + END);
      assert(steps.every(({ isRight }) => isRight), answer);
      assertEquals([rest, now?.isSolved, now?.step], ["", true, undefined]);
      assert(world.format.test(answer), answer);
      assertEquals(verifyPrompt(prompt, answer), true);
      for (const character of prompt + answer) assert(world.characters.has(character), character);
    }));
  });

  Deno.test(`${name}: no beginning of a right answer is an answer`, () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const prompt = promptOf(world, seed);
        const answer = rightAnswer(world.begin(prompt));
        for (const at of answer.split("").keys()) {
          assertEquals(verifyPrompt(prompt, answer.slice(0, at)), false);
          assertEquals(readAnswer(world, prompt, answer.slice(0, at)).now?.isSolved, false);
        }
      }),
      { numRuns: 20 },
    );
  });

  Deno.test(`${name}: each mistake is one wrong step, after which the world's steps are right`, () => {
    fc.assert(fc.property(fc.integer(), fc.nat(), (seed, draw) => {
      const prompt = promptOf(world, seed);
      const wrong = mistaken(world, prompt, randomStream(draw));
      assertExists(wrong);
      const before = readAnswer(world, prompt, wrong.before);
      assert(before.steps.every(({ isRight }) => isRight));
      const { steps, rest } = readAnswer(
        world,
        prompt,
        wrong.before + wrong.step + wrong.rest + END,
      );
      assertEquals(rest, "");
      assertEquals(steps.flatMap(({ isRight }, i) => isRight ? [] : [i]), [before.steps.length]);
    }));
  });

  Deno.test(`${name}: every mistake in every state is read, and is another step`, () => {
    const prompt = promptOf(world, 3);
    for (let now = world.begin(prompt); now?.step !== undefined; now = now.after(now.step)) {
      for (const step of now.mistakes) {
        assert(step !== now.step && now.after(step) !== undefined, step);
      }
    }
  });

  Deno.test(`${name}: no text that is no step leads to a state, and none is right after it`, () => {
    fc.assert(fc.property(fc.string({ maxLength: 20 }), (text) => {
      const { steps } = readAnswer(world, promptOf(world, 1), `?${text}${END}`);
      assert(steps.every(({ isRight, after }) => !isRight && after === undefined));
    }));
  });

  Deno.test(`${name}: a text of another world is no prompt`, () => {
    for (
      const prompt of [
        "",
        name,
        `${name} `,
        `${name} ?`,
        `${name} 1+1+1`,
        `${name} 3:+4*2`,
        `${name} 3122`,
        `${name} a1 b2`,
        "sort 3142",
      ]
    ) {
      assertEquals(world.begin(prompt), undefined, prompt);
    }
  });

  Deno.test(`${name}: the mistakes of the data are wrong answers of the task's form`, () => {
    const { train } = generateTasks({
      seed: 1,
      size: 30,
      heldOut: 0,
      test: 0,
      longer: 0,
      tasks: [name],
    });
    for (const [i, example] of train.entries()) {
      assert(verifyAnswer(example, example.completion));
      const mistake = mistakeFor(example, randomStream(i));
      assert(!verifyAnswer(example, mistake) && world.format.test(mistake), mistake);
    }
  });
}

Deno.test("a program without lines, and a number to which none is added, are no prompts", () => {
  const { carry, trace } = worlds;
  assertEquals([carry.begin("carry 47"), trace.begin("trace 3:")], [undefined, undefined]);
  assert(carry.begin("carry 47+12") !== undefined && trace.begin("trace 3:+1") !== undefined);
});

/** A prompt, an answer, whether each step is right, and whether the answer solves the prompt. */
const odd: readonly (readonly [string, string, readonly boolean[], boolean])[] = [
  ["carry 47+38", "7+8=15,4+3+1=8;85", [true, true, true, true, true], true],
  // The carry was written and not used: wrong in the terms alone, and in the end.
  ["carry 47+38", "7+8=15,4+3+0=7;75", [true, true, false, true, true], false],
  // A wrong sum, with whose digit and carry all goes on.
  ["carry 47+38", "7+8=26,4+3+2=9;96", [true, false, true, true, true], false],
  // Wrong on the way, and right in the end.
  ["carry 47+38", "7+8=15,4+3+1=7;85", [true, true, true, false, false], true],
  // The result too early, and a sum too many.
  ["carry 47+38+25", "7+8=15,4+3+1=8;85", [true, true, true, true, false], false],
  ["carry 47+38", "7+8=15,4+3+1=8;5+5=", [true, true, true, true, false, false], false],
  ["carry 47+38", "85", [false], false],
  ["carry 47+38", "", [false], false],
  ["order 3142", "31 42 32", [true, true, true], true],
  // Another move than the right one, which still sorts.
  ["order 3142", "42 31 32", [false, true, true], true],
  // Digits that are no neighbours, or in the other order, move nothing.
  ["order 3142", "34 13 31 42 32", [false, false, true, true, true], true],
  // Too far, and back.
  ["order 3142", "31 42 32 12 21", [true, true, false, false, true], true],
  ["order 3142", "31 42", [true, false], false],
  ["order 3142", "31 42  32", [true, true, false, false], false],
  // Sorted already, or with a step that should have been the end.
  ["order 12", "", [true], true],
  ["order 21", "21 ", [false, true], true],
  // One digit is no move.
  ["order 21", "2 21", [false, false], false],
  ["maze a1 c1 c3", "RRDD", [true, true, true, true, true], true],
  // Against the edge nothing moves.
  ["maze a1 c1 c3", "URRDD", [false, true, true, true, true, true], true],
  // Too far, against a wall, back, and an end too early.
  ["maze a1 c1 c3", "RRRDDL", [true, true, false, false, false, true, false], false],
  ["maze a1 c1 c3", "DDRRUUDD", [false, false, true, true, true, true, true, true, true], true],
  ["maze a1 c1 c3", "RRD", [true, true, true, false], false],
  ["maze a1 c1 c3", "RRDDD", [true, true, true, true, false, true], true],
  ["trace 3:+4-9", "3+4:7,7-9:8", [true, true, true, true], true],
  // A wrong value, with which the next line is right.
  ["trace 3:+4-9", "3+4:6,6-9:7", [true, false, true, true], false],
  // A line was copied wrong, and its copy was run.
  ["trace 3:+4-9", "3+5:8,8-9:9", [false, true, true, true], false],
  // A wrong value that the next line makes good.
  ["trace 3:+4=6", "3+4:5,5=6:6", [true, false, true, true], true],
  ["trace 3:+4-9", "3+4:7", [true, false], false],
  // A comma in place of the end.
  ["trace 3:+4", "3+4:7,", [true, false, true], true],
  ["trace 3:+4", "", [false], false],
  ["trace 3:+4-9", "3+4:7,7-9:8,8", [true, true, true, false, false], false],
  ["trace 3:+4-9", "3+4:17,7-9:8", [true, false, false, false], false],
  [
    "word Ann has 3 bags of 4 nuts. Ann finds 5. How many?",
    "<<3*4=12>>12 <<12+5=17>>17 #### 17",
    [true, true, true, true, true, true],
    true,
  ],
  // The result behind the marks counts from then on.
  [
    "word Ann has 3 bags of 4 nuts. Ann finds 5. How many?",
    "<<3*4=12>>13 <<13+5=18>>18 #### 18",
    [true, false, true, true, true, true],
    false,
  ],
  [
    "word Ann has 3 bags of 4 nuts. Ann loses 5. How many?",
    "<<3*4=4>>4 <<4-5=0>>0 #### 0",
    [true, false, true, true, true, true],
    false,
  ],
  ["word Ann has 3 bags of 4 nuts. How many?", "12", [false], false],
  [
    "word Ann has 3 bags of 4 nuts. How many?",
    "<<3*4=12>>12 #### 012",
    [true, true, true, false],
    true,
  ],
];

for (const [prompt, answer, flags, right] of odd) {
  Deno.test(`${prompt}: ${JSON.stringify(answer)} has these right steps: ${flags.map(Number).join("")}`, () => {
    const world = all.find(({ name }) => prompt.startsWith(`${name} `));
    assertExists(world);
    const { steps } = readAnswer(world, prompt, answer + END);
    assertEquals(steps.map(({ isRight }) => isRight), flags);
    assertEquals(verifyPrompt(prompt, answer), right);
  });
}

Deno.test("a beginning of an answer has the state after its last completed step", () => {
  const { steps, rest, now } = readAnswer(worlds.carry, "carry 47+38", "7+8=16,4+3");
  assertEquals([steps.length, rest, now?.step], [2, "4+3", "4+3+1="]);
});

Deno.test("states have names: equal ones the same, others another", () => {
  const id = (prompt: string, answer: string) => {
    const world = all.find(({ name }) => prompt.startsWith(`${name} `));
    return world && readAnswer(world, prompt, answer).now?.id;
  };
  // Where one stands and where one goes, whatever the way.
  assertEquals(id("maze a1 c1 c3", "RR"), id("maze c1 c3", ""));
  // Lists that are sorted alike.
  assertEquals(id("order 3142", ""), id("order 7295", ""));
  assert(id("order 3142", "") !== id("order 3142", "31 "));
});

for (const world of all) {
  Deno.test(`${world.name}: after one prompt, states of the same name have the same step and mistakes`, () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const prompt = promptOf(world, seed);
        const known = new Map<string, readonly (string | undefined)[]>();
        const note = (now: Situation | undefined) => {
          if (now === undefined) return;
          const said = [now.step, ...now.mistakes];
          assertEquals(said, known.get(now.id) ?? said, now.id);
          known.set(now.id, said);
        };
        for (let now = world.begin(prompt); now !== undefined;) {
          note(now);
          for (const step of now.mistakes) {
            const after = now.after(step);
            note(after);
            note(after?.step === undefined ? undefined : after.after(after.step));
          }
          now = now.step === undefined ? undefined : now.after(now.step);
        }
      }),
      { numRuns: 10 },
    );
  });
}

Deno.test("a world whose steps never end is an error", () => {
  const endless = defineWorld({
    ...{ name: "on", characters: "1 ", ends: " ", format: /^1/ },
    difficulty: { trained: [1, 1], longer: [2, 2] },
    draw: () => "",
    begin: () => 0,
    step: () => "1 ",
    after: () => 0,
    id: String,
    isSolved: () => true,
  });
  assertThrows(() => rightAnswer(endless.begin("on ")), RangeError, "more than 1000 steps");
});

Deno.test("an answer has a thousand steps less one, at most", () => {
  const counting = (steps: number) =>
    defineWorld<number>({
      ...{ name: "on", characters: "1 ", ends: " ", format: /^1/ },
      difficulty: { trained: [1, 1], longer: [2, 2] },
      draw: () => "",
      begin: () => 1,
      step: (number) => number < steps ? "1 " : `1${END}`,
      after: (number) => number + 1,
      id: String,
      isSolved: () => true,
    }).begin("on ");
  assertEquals(rightAnswer(counting(999)), `${"1 ".repeat(998)}1`);
  assertThrows(() => rightAnswer(counting(1000)), RangeError, "more than 1000 steps");
  assertThrows(() => rightAnswer(undefined), RangeError, "does not know this state");
});

Deno.test("a material has the characters and the formats of its own tasks", () => {
  const material = (names?: string) =>
    taskMaterial(
      { ...trainSettings({ examples: 10 }), ...names !== undefined && { tasks: names } },
      silentWatch,
    );
  assert(!material().characters.has("#") && material("word").characters.has("#"));
  assertEquals(material("carry").characters, material("maze").characters);
  const { format } = material("carry+pick");
  assertEquals(["7+8=15,4+3+1=8;85", "85", "7+8"].map((text) => format?.test(text)), [
    true,
    true,
    false,
  ]);
  assertEquals(tasks.flatMap(({ world }) => world ?? []), all);
});

Deno.test("a single possible mistake is made", () => {
  const begin = (): Situation => ({
    ...{ id: "", step: "a", isSolved: false, mistakes: ["b"] },
    after: () => ({
      ...{ id: "a", step: undefined, isSolved: true, mistakes: [] },
      after: () => undefined,
    }),
  });
  const { carry } = worlds;
  const made = mistaken({ ...carry, begin }, "carry 1+1", randomStream(0));
  assertEquals([made?.step, made?.right], ["b", "a"]);
});
