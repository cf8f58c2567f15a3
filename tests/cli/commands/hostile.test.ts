/** Damaged and hostile inputs, as commands meet them: one sentence, nothing left, no stack. */
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { readJsonLines } from "../../../cli/files/json_lines.ts";
import { linesOf } from "../../../cli/files/lines.ts";
import { leastRoom, requireRoom } from "../../../cli/run/room.ts";
import { isOutOfMemory } from "../../../cli/terminal/errors.ts";
import {
  failureOf,
  fileError,
  progressReporter,
  readDataset,
  readJson,
  UsageError,
} from "@unitune/cli";
import { nearest, trainSettings, UserError } from "@unitune/training";
import {
  decodeSafetensors,
  encodeSafetensors,
  OutOfMemoryError,
  SafetensorsError,
} from "@unitune/core";
import { countParameters, gpt } from "@unitune/models";
import fc from "fast-check";
import { runPage } from "../../../cli/report/run_page.ts";
import {
  assertRefused,
  assertSameFiles,
  copyFolder,
  type Ended,
  filesIn,
  inFolder,
  report,
  sample,
  tiny,
  train,
  trained,
  writeRows,
} from "../command.ts";
import { symbolicLink } from "../../symbolic_link.ts";

/** What reaches no terminal. */
// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;
const evil = "a\x1b]0;title\x07\u202eb\x9b31m\x7f";

/** A path beneath a checkpoint of a run. */
async function latest(run: string): Promise<string> {
  const names = (await Array.fromAsync(Deno.readDir(`${run}/checkpoints`))).map(({ name }) => name);
  return `${run}/checkpoints/${names.toSorted().at(-1)}`;
}

const tinyRun = async (folder: string, ...flags: readonly string[]) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const run = `${folder}/run`;
  await trained("--data", data, ...tiny, "--steps", "2", ...flags, "--out", run);
  return run;
};

Deno.test("a message to the user is one line, bounded, and controls nothing", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), fc.nat(200), (text, times) => {
    for (const error of [new UserError(text.repeat(times)), new UsageError(evil + text)]) {
      assert(!CONTROL.test(error.message) && !error.message.includes("\n"));
      assert(error.message.length < 1000);
    }
  }));
  const { message } = new UserError(`can't read ${"x".repeat(300_000)}: it is a folder`);
  assert(message.length < 1000);
  assertMatch(message, /^can't read x+… \(.* left out\) …x+: it is a folder$/);
});

Deno.test("what packages refuse and memory that is not there are no defects", () => {
  const errors = [
    new OutOfMemoryError("4 GiB are full"),
    new SafetensorsError("truncated"),
    assertThrows(() => new Float32Array(2 ** 45)),
    assertThrows(() => "x".repeat(2 ** 30)),
    assertThrows(() => new Array(2 ** 40)),
    assertThrows(() => new WebAssembly.Memory({ initial: 1, maximum: 2 }).grow(10)),
  ];
  for (const error of errors) {
    const { message, exitCode } = failureOf(error);
    assertEquals(exitCode, 1, message);
    assertMatch(message, /^error: [^\n]*$/);
  }
  assertEquals(errors.map(isOutOfMemory), [true, false, true, true, true, true]);
  for (const defect of [new RangeError("index 3 is outside"), new TypeError("x is undefined")]) {
    assertEquals(failureOf(defect).exitCode, 70);
  }
});

Deno.test("a defect's stack controls no terminal either", () => {
  const { message } = failureOf(new Error(evil));
  assert(!CONTROL.test(message));
});

inFolder(
  "a file that is a folder, a pipe, a device or too large is refused at once",
  async (folder) => {
    await new Deno.Command("sh", { args: ["-c", `mkfifo "$0"`, `${folder}/pipe.jsonl`] }).output();
    await Deno.mkdir(`${folder}/folder.jsonl`);
    await symbolicLink("/dev/zero", `${folder}/zero.jsonl`);
    await symbolicLink(`${folder}/loop.jsonl`, `${folder}/loop.jsonl`);
    for (const name of ["pipe.jsonl", "folder.jsonl", "zero.jsonl", "loop.jsonl"]) {
      for (const read of [readJson, readJsonLines, (path: string) => readDataset(path)]) {
        const error = await read(`${folder}/${name}`).then(
          () => undefined,
          (error: unknown) => error,
        );
        // Symbolic links that go round are an error of the system's own.
        assert(error instanceof UserError, `${name}: ${error}`);
        assertMatch(error.message, /folder|pipe|device|loop|symbolic/i);
      }
    }
    using file = await Deno.open(`${folder}/large.json`, { write: true, create: true });
    await file.truncate(2 ** 25);
    const error = await readJson(`${folder}/large.json`).catch((error: unknown) => error);
    assertStringIncludes(String(error), "has 33554432 bytes, more than the 16777216 that are read");
  },
);

Deno.test("lines of a file are bounded where they are asked to be, however they come", async () => {
  const lines = fc.array(fc.string({ maxLength: 12 }).map((line) => line.replaceAll("\n", "")));
  await fc.assert(fc.asyncProperty(lines, fc.integer({ min: 1, max: 9 }), async (lines, cut) => {
    const bytes = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""));
    const chunks = Array.from(
      { length: Math.ceil(bytes.length / cut) },
      (_, i) => bytes.subarray(i * cut, (i + 1) * cut),
    );
    const lengths = lines.map((line) => new TextEncoder().encode(line).length);
    const longest = Math.max(0, ...lengths);
    const refuse = (line: number) => new UserError(`line ${line}`);
    const read = (bytes: number) => Array.fromAsync(linesOf(chunks, { bytes, refuse }));
    assertEquals((await read(longest)).length, lines.length);
    if (longest === 0) return;
    const error = await read(longest - 1).catch((error: unknown) => error);
    assertEquals(String(error), `UserError: line ${lengths.indexOf(longest) + 1}`);
  }));
});

inFolder(
  "of JSON lines a half last line is left out, and any other fault is told",
  async (folder) => {
    const path = `${folder}/metrics.jsonl`;
    const read = async (content: string | Uint8Array) => {
      await Deno.writeFile(
        path,
        typeof content === "string" ? new TextEncoder().encode(content) : content,
      );
      return await readJsonLines(path).catch((error: unknown) => String(error));
    };
    assertEquals(await read(`{"a":1}\n{"st`), [{ a: 1 }]);
    assertEquals(await read(`{"a":1}\r\n\n  \n{"a":2}`), [{ a: 1 }, { a: 2 }]);
    assertEquals(await read(new Uint8Array([...new TextEncoder().encode(`{"a":1}\n`), 0xff])), [{
      a: 1,
    }]);
    assertEquals(await read(""), []);
    for (const line of [`{"a`, "[]", "null", "1", "\0", "NaN", `"a"`, "\ufffe"]) {
      assertEquals(
        await read(`{"a":1}\n${line}\n{"a":2}\n`),
        `UserError: ${path}:2: not a JSON object: remove the line, or restore the file`,
      );
    }
  },
);

inFolder("a configuration with a byte order mark is read", async (folder) => {
  const config = `${folder}/config.json`;
  await Deno.writeTextFile(config, `\ufeff${JSON.stringify({ steps: 2, seed: 3 })}`);
  assertEquals(await readJson(config), { steps: 2, seed: 3 });
  const data = await writeRows(`${folder}/rows.jsonl`);
  const flags = tiny.toSpliced(tiny.indexOf("--steps"), 2);
  await trained("--data", data, ...flags, "--config", config, "--out", `${folder}/run`);
  assertStringIncludes(await Deno.readTextFile(`${folder}/run/config.json`), `"seed": 3`);
});

/** Settings that no memory has room for, and what is said. */
const immense: [flags: string, message: RegExp][] = [
  ["--layers 100000", /layers is 100000, expected at most 512/],
  [
    "--width 20000",
    /^error: a model of [\d,]+ parameters takes at least [\d.]+ GiB .* wasm has 16 GiB/,
  ],
  ["--context 1000000000", /parameters takes at least .* wasm has 16 GiB/],
  ["--context 9007199254740991", /parameters takes at least .* wasm has 16 GiB/],
  ["--batch-size 100000000", /--batch-size 100000000 takes at least .* wasm has 16 GiB/],
  ["--gradient-accumulation 1000000000", /a step of 4 x 1000000000 rows takes/],
];

inFolder("what no memory has room for is refused before anything is made", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  for (const [flags, message] of immense) {
    const out = `${folder}/run`;
    const result = await train("--data", data, ...tiny, ...flags.split(" "), "--out", out);
    assertRefused(result, 1, message);
    assertEquals(Object.keys(await filesIn(folder)), ["rows.jsonl"]);
  }
});

/** A device as large as addresses of 32 bits reach. */
const wasmDevice = { name: "wasm", memoryBytes: 2 ** 32 };

Deno.test("a training that fits is never refused: what it takes at the least is what it has", () => {
  const sizes = fc.record({
    vocabulary: fc.integer({ min: 1, max: 1e5 }),
    context: fc.integer({ min: 1, max: 4096 }),
    layers: fc.integer({ min: 1, max: 16 }),
    width: fc.integer({ min: 1, max: 2048 }),
  });
  const seen = new Set<boolean>();
  const fits = fc.property(sizes, fc.integer({ min: 1, max: 64 }), (sizes, batchSize) => {
    const model = gpt({ ...sizes, heads: 1, dropout: 0 });
    const settings = trainSettings({ batchSize });
    const { state, activations } = leastRoom(model, settings, sizes.context);
    assertEquals(state, 16 * countParameters(model));
    const stages = { model, stages: [] };
    const isRefused = failsFor(() => requireRoom([settings], stages, wasmDevice));
    // No data is known of here, so that a row is taken to have two tokens.
    const least = state + 2 * activations / sizes.context;
    assertEquals(isRefused, least > 2 ** 32);
    seen.add(isRefused);
  });
  // Two numbers are compared, in which every layer has the same part.
  fc.assert(fits, { numRuns: 25 });
  assertEquals(seen.size, 2);
});

function failsFor(action: () => void): boolean {
  try {
    action();
    return false;
  } catch (error) {
    if (error instanceof UserError) return true;
    throw error;
  }
}

Deno.test("by tokens, a forward pass holds as many rows of a step as fit, at least one", () => {
  const model = gpt({ vocabulary: 9, context: 64, layers: 1, heads: 1, width: 4, dropout: 0 });
  const rowsOf = (batchTokens: number) => {
    const settings = trainSettings({ batchSize: 4, gradientAccumulation: 2, batchTokens });
    return leastRoom(model, settings, 50).activations / (4 * 50 * 4);
  };
  assertEquals([1, 50, 99, 100, 399, 400, 10_000].map(rowsOf), [1, 1, 1, 2, 7, 8, 8]);
  const large = gpt({ ...model.config, layers: 64, width: 512 });
  const stages = { model: large, stages: [] };
  const settings = trainSettings({ batchSize: 10_000, batchTokens: 100_000 });
  assertThrows(
    () => requireRoom([settings], stages, wasmDevice),
    UserError,
    "--batch-tokens 100000 takes at least",
  );
  requireRoom([trainSettings({ batchSize: 10_000, batchTokens: 100 })], stages, wasmDevice);
});

Deno.test("GPT-2 of 124 million parameters is not refused", () => {
  const model = gpt({
    vocabulary: 50_257,
    context: 128,
    layers: 12,
    heads: 12,
    width: 768,
    dropout: 0,
  });
  requireRoom([trainSettings({ batchSize: 1 })], { model, stages: [] }, wasmDevice);
});

inFolder("a model that is no number is refused, and never answers with nothing", async (folder) => {
  const run = await tinyRun(folder);
  const weights = `${await latest(run)}/model.safetensors`;
  const good = await Deno.readFile(weights);
  const { tensors, metadata } = decodeSafetensors(good);
  const spoil = (bits: number) => {
    const changed = [...tensors].map(([name, raw]) =>
      [
        name,
        name.endsWith("ln_f.weight") ? { ...raw, data: words(raw.data.length / 4, bits) } : raw,
      ] as const
    );
    return encodeSafetensors(new Map(changed), metadata);
  };
  // NaN, infinity, and what overflows only in the logits.
  for (const bits of [0x7fc00000, 0x7f800000, 0x7f7fffff]) {
    await Deno.writeFile(weights, spoil(bits));
    for (const command of [sample, train]) {
      const result = command === sample
        ? await sample("--run", run, "--prompt", "ab", "--device", "wasm")
        : await train(
          "--from",
          run,
          "--data",
          `${folder}/rows.jsonl`,
          "--steps",
          "1",
          "--out",
          `${folder}/on`,
        );
      assert(result.code !== 0, `${result.stdout}${result.stderr}`);
      assertRefused(result, 1, /damaged|diverged|stopped/);
      await Deno.remove(`${folder}/on`, { recursive: true }).catch(() => {});
    }
  }
});

/** One 32-bit word, over and over. */
function words(count: number, bits: number): Uint8Array {
  return new Uint8Array(new Uint32Array(count).fill(bits).buffer);
}

/** No output of a command has what controls a terminal. */
function assertHarmless({ stdout, stderr }: Ended): void {
  for (const text of [stdout, stderr]) assert(!CONTROL.test(text), JSON.stringify(text));
}

inFolder("prompts, answers, columns and names control no terminal", async (folder) => {
  const rows = Array.from({ length: 12 }, (_, i) => ({ prompt: `${evil}${i}`, completion: evil }));
  const data = await writeRows(`${folder}/${evil.replaceAll("/", "")}.jsonl`, rows);
  const run = `${folder}/run`;
  const flags = ["--tokenizer", "bytes", "--context", "64", "--steps", "2", "--out", run];
  assertHarmless(await trained("--data", data, ...tiny, ...flags));
  const asked = ["--run", run, "--device", "wasm", "--max-new-tokens", "8"];
  const spoken = ["--temperature", "50", "--count", "100"];
  assertHarmless(await sample(...asked, "--prompt", evil, ...spoken));
  const raw = await sample(...asked, "--prompt", "a", ...spoken, "--raw");
  assert(CONTROL.test(raw.stdout));
  assertHarmless(await report("--run", run, "--out", `${folder}/${evil}.html`));
  const page = await Deno.readTextFile(`${folder}/${evil}.html`);
  assert(!CONTROL.test(page.replaceAll("\r\n", "\n")));

  const columns = await writeRows(`${folder}/columns.jsonl`, [{ [evil]: 1 }, {
    ["k".repeat(300_000)]: 1,
  }]);
  const refused: [readonly string[], 1 | 2][] = [
    [["--data", columns], 1],
    [["--data", `${folder}/${evil}`], 1],
    [["--data", data, "--prompt-column", evil], 1],
    [[`--${evil}`], 2],
    [["--objective", evil], 2],
    [["--config", `${folder}/${evil}`], 1],
    [["--tasks", evil], 1],
    [[evil], 2],
    [["--steps", "9".repeat(100_000)], 2],
    [[`--${"x".repeat(100_000)}`], 2],
    [["--data", "x".repeat(100_000)], 1],
  ];
  for (const [args, code] of refused) {
    const result = await train(...tiny, ...args, "--out", `${folder}/no`);
    assertHarmless(result);
    assertRefused(result, code, "");
    assert(result.stderr.length < 1100, `${result.stderr.length} characters`);
  }
});

Deno.test("progress is printed without what controls a terminal", () => {
  const written: string[] = [];
  for (const columns of [undefined, 80]) {
    const output = {
      write: (text: string) => written.push(text),
      columns: () => columns,
      now: () => 0,
    };
    using progress = progressReporter(output, 2, 1);
    progress.phase(evil);
    progress.print(evil);
    progress.update(1);
  }
  const text = written.join("").replaceAll("\r\x1b[K", "");
  assert(text.includes("\\u001b") && !CONTROL.test(text), JSON.stringify(text));
});

inFolder(
  "a report of a run that was cut off or damaged is a page or a sentence",
  async (folder) => {
    const run = await tinyRun(folder);
    const metrics = `${run}/metrics.jsonl`;
    await Deno.writeTextFile(metrics, `{"step":`, { append: true });
    assertEquals((await report("--run", run)).code, 0);
    await Deno.writeTextFile(metrics, `\n`, { append: true });
    assertRefused(await report("--run", run), 1, "not a JSON object");

    const good = (await Deno.readTextFile(metrics)).split("\n")[0] ?? "";
    const odd: readonly unknown[] = [1e400, -1e308, null, "x", [], {}, "</script>", evil, 1e15];
    for (const value of odd) {
      const line = JSON.stringify({ ...JSON.parse(good), step: value, loss: value, split: value })
        .replaceAll("null", "1e400");
      await Deno.writeTextFile(metrics, `${good}\n${line}\n${line}\n`);
      const page = await runPage(run);
      assert(!page.includes("</script>") && !CONTROL.test(page));
    }
  },
);

inFolder(
  "resuming with a pipe, a folder or a loop in a file's place ends in a sentence",
  async (folder) => {
    const run = await tinyRun(folder);
    for (const name of ["metrics.jsonl", "samples.jsonl", "lock", "config.json"]) {
      for (const make of ["mkfifo", "mkdir"]) {
        const copy = `${folder}/${name}-${make}`;
        await copyFolder(run, copy);
        await Deno.remove(`${copy}/${name}`);
        await new Deno.Command("sh", { args: ["-c", `${make} "$0"`, `${copy}/${name}`] }).output();
        assertRefused(await train("--resume", copy), 1, /folder|pipe/);
      }
    }
    await assertSameFiles(run, run);
  },
);

Deno.test("a name of any length is compared with names in no time", () => {
  assertEquals(nearest("x".repeat(10_000_000), ["steps", "seed"]), undefined);
});

Deno.test("an error of the file system names a path of any length and any characters", () => {
  const error = fileError(new Deno.errors.NotFound(), "read", evil.repeat(10_000));
  assert(error instanceof UserError && error.message.length < 1000 && !CONTROL.test(error.message));
});
