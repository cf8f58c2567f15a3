import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";

/** What an example prints, run as a reader runs it: without any permission. */
async function outputOf(example: string): Promise<string> {
  const file = new URL(`../../examples/${example}.ts`, import.meta.url);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", file.href],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  assertEquals(code, 0, decoder.decode(stderr));
  return decoder.decode(stdout);
}

/** The number in each match of a pattern's first group. */
function numbers(text: string, pattern: RegExp): number[] {
  return [...text.matchAll(pattern)].map(([, digits]) => Number(digits));
}

Deno.test("quick start: values, gradients, and a line that fits", async () => {
  const output = await outputOf("quick_start");
  assertStringIncludes(output, "y = Float32Array(4) [ 1, 4, 7, 10 ]");
  // At slope = offset = 0 the gradient is -2 mean(x y) = -35 and -2 mean(y) = -11.
  assertStringIncludes(output, "gradient = -35 -11\n");
  assertStringIncludes(output, "second derivative of x^3 at 2 = 12\n");
  const [slope = NaN] = numbers(output, /^y = (\S+) x/gm);
  const [offset = NaN] = numbers(output, /^y = .* x \+ (\S+)$/gm);
  // The slowest direction of this quadratic shrinks by 0.94 a step: 200 steps leave about 1e-2.
  assertAlmostEquals(slope, 3, 1e-2);
  assertAlmostEquals(offset, -2, 1e-2);
  assertStringIncludes(output, "%0: f32[] = input 0\n");
  assert(numbers(output, /^a step: (\d+) kernels/gm).every((count) => count > 0));
});

Deno.test("training loop: the loss falls, and the text is known by heart", async () => {
  const output = await outputOf("training_loop");
  const losses = numbers(output, /^step \d+: loss (\S+)$/gm);
  assertEquals(losses.length, 7);
  const [first = NaN, last = NaN] = [losses.at(0), losses.at(-1)];
  // Of 25 tokens (20 characters, 5 special), initial weights make none much likelier than another.
  assertAlmostEquals(first, Math.log(25), 0.2);
  assert(last < 0.5, `the loss is ${last} at the end`);
  // What follows "peter " wherever it stands in the text.
  assertStringIncludes(output, "\npeter |piper picked");
});

Deno.test("own policy: both objectives train a table of bigrams", async () => {
  const output = await outputOf("own_policy");
  const [sftFirst = NaN, sftLast = NaN, iftFirst = NaN, iftLast = NaN] = numbers(
    output,
    /^ {2}step \d+: loss \S+, nll (\S+)$/gm,
  );
  // The least cross-entropy of these demonstrations, approached but not passed.
  const floor = Math.log(3) / 3;
  assert(floor <= sftLast && sftLast < floor + 0.01, `sft ends at ${sftLast}`);
  assertEquals(iftFirst, sftFirst);
  assert(floor <= iftLast && iftLast < iftFirst / 2, `ift ends at ${iftLast}`);
  assertStringIncludes(
    output,
    "states (1 - lambda) s*_n + lambda argmax pi(s*_{n-1}), where lambda = 0.2",
  );
});
