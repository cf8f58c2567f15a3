import { assert, assertEquals, assertStringIncludes } from "@std/assert";

const cli = new URL("../../cli/objectives.ts", import.meta.url);
const decoder = new TextDecoder();

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  // No permission at all.
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--quiet", cli.pathname, ...args],
    env: { NO_COLOR: "1" },
  });
  const { code, stdout, stderr } = await command.output();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

Deno.test("objectives prints Table 1 of the whole catalogue, in 80 columns", async () => {
  const { code, out } = await run();
  assertEquals(code, 0);
  const lines = out.split("\n");
  for (const line of lines) assert(line.length <= 80, line);
  for (const name of ["sft", "ift", "dpo", "kto", "orpo", "grpo", "ppo", "rewardModel"]) {
    // In the summary, and with a block of its own.
    assert(lines.some((line) => line.startsWith(`${name} `)), name);
    assert(lines.includes(name), name);
  }
  assertStringIncludes(out, "human s*_n; model (1 - l) s*_n + l argmax pi(s*_{n-1})");
});

Deno.test("objectives --json holds every description", async () => {
  const { out } = await run("--json");
  const table: Record<string, { formula: string; stepZero?: number }> = JSON.parse(out);
  assert(Object.keys(table).length > 35);
  assertEquals(table.sft?.formula, "sum_b sum_t l_bt / sum_b M_b, l = -log p");
  assertEquals(table.hinge?.stepZero, 1);
});

Deno.test("objectives dpo: one in depth, with the value that it computes", async () => {
  const { out } = await run("dpo");
  assertStringIncludes(out, "0.693147 (by the formula 0.693147)");
  assertStringIncludes(out, "rewards/margins");
  const { out: json } = await run("DPO", "--json");
  const { name, computed }: { name: string; computed: Record<string, number> } = JSON.parse(json);
  assertEquals(name, "dpo");
  assert(Math.abs((computed.loss ?? NaN) - Math.LN2) < 1e-6);
});

Deno.test("objectives: an unknown name or flag is a usage error with a suggestion", async () => {
  const wrong = await run("drpo");
  assertEquals(wrong.code, 2);
  assertStringIncludes(wrong.err, "did you mean");
  assertEquals((await run("--jsno")).code, 2);
  assertStringIncludes((await run("--help")).out, "deno task objectives dpo");
});
