/** The ranges and defaults of the flags of commands, as their help tells them. */
import { assertEquals, assertMatch } from "@std/assert";
import { compareCommand } from "../../../cli/commands/compare.ts";
import { dataCommand } from "../../../cli/commands/data.ts";
import { doctorCommand } from "../../../cli/commands/doctor.ts";
import { downloadCommand } from "../../../cli/commands/download.ts";
import { exposureCommand } from "../../../cli/commands/exposure.ts";
import { mergeCommand } from "../../../cli/commands/merge.ts";
import { objectivesCommand } from "../../../cli/commands/objectives.ts";
import { pushCommand } from "../../../cli/commands/push.ts";
import { reportCommand } from "../../../cli/commands/report.ts";
import { sampleCommand } from "../../../cli/commands/sample.ts";
import { tokenizerCommand } from "../../../cli/commands/tokenizer.ts";
import { trainCommand } from "../../../cli/commands/train.ts";
import { runFlags } from "../../../cli/flags/run_flags.ts";
import { helpText, settingFlags } from "@unitune/cli";
import { helpOf } from "../command.ts";

/** What stands in parentheses at the end of each flag's help, for those that have it. */
function rangesIn(help: string): Readonly<Record<string, string>> {
  const ranges: Record<string, string> = {};
  for (const entry of help.split(/\n(?= {2}--)/).slice(1)) {
    const [, name = ""] = /^ {2}--([a-z-]+)/.exec(entry) ?? [];
    const [, range] = /\(([^()]*)\)$/.exec(entry.split("\n\n")[0]?.trimEnd() ?? "") ?? [];
    if (range !== undefined) ranges[name] = range.replaceAll(/\s+/g, " ");
  }
  return ranges;
}

const rangesOf = async (command: (argv: readonly string[]) => Promise<number>) =>
  rangesIn(await helpOf(command));

Deno.test("flags have their ranges and defaults", async () => {
  assertEquals(await rangesOf(compareCommand), {
    "study": "default objectives",
    "out": "default runs/study, runs/exposure or runs/language, and -quick behind it",
    "results": "default none",
    "minutes": "above 0; default no limit",
    "seeds": "2 to 10000; default 5; of exposure 15, or 4 with --quick; of language 10, or 3",
    "first-seed": "0 to 2147483647; default 0; with --quick, 1000 of exposure and of language",
    "arms": "default all of them; with --quick, some",
    "model": "default none",
    "teacher": "default none",
    "data": "default none",
    "prompt-column": "default the known names",
    "completion-column": "default the known names",
    "noise": "0 to 1; default 0",
    "device": "default auto",
    "jobs": "at least 1; default the number of processors; 1 on webgpu",
  });
  assertEquals(await rangesOf(downloadCommand), {
    "revision": "default main",
    "split": "default train",
  });
  assertEquals(await rangesOf(mergeCommand), {
    "model": "default the one that the adapter names",
    "dtype": "default that of the model",
  });
  assertEquals(await rangesOf(reportCommand), {
    "out": "default report.html in the folder",
    "port": "with --watch; 0 to 65535; default 8001",
    "prompt": "default a question of the test",
  });
  assertEquals(await rangesOf(exposureCommand), {
    "questions": "2 to 256; default 200",
    "seed": "at least 0; default 1",
    "device": "default auto",
  });
  assertEquals(rangesIn(helpText(runFlags, "")), {
    "out": "default a new one under runs/",
    "from-step": "at least 0",
    "reward-allow": "default nothing",
    "reward-timeout": "above 0 to 86400; default 60",
    "code-timeout": "above 0 to 86400; default 5",
    "reward-memory": "at least 16; default 512",
    "config-format": "default unitune",
  });
  assertEquals(await rangesOf(sampleCommand), {
    "max-new-tokens": "at least 1",
    "temperature": "at least 0",
    "top-k": "at least 1",
    "top-p": "above 0 to 1",
    "count": "at least 1; default 1",
    "seed": "at least 0; default 0",
    "batch-size": "at least 1; default 8",
    "device": "default auto",
  });
});

Deno.test("settings tell their defaults for a pretrained model, by data where they differ", () => {
  const table: Readonly<Record<string, { readonly defaultHelp?: string }>> = settingFlags();
  const names = ["learningRate", "steps", "batchSize", "loraRank"];
  assertEquals(names.map((name) => table[name]?.defaultHelp), [
    "0.003; with --model 0.00002 for answers, 0.000001 for pairs, triples, labels, steps and rollouts; " +
    "with --lora 0.0001 for answers, 0.00001 for pairs, triples, labels, steps and rollouts",
    "1500; with --model 100",
    "32; with --model 2 for answers, pairs, triples, labels and steps, 8 for rollouts",
    undefined,
  ]);
});

Deno.test("each command explains itself, with examples of its task", async () => {
  const commands = {
    ...{ compare: compareCommand, data: dataCommand, doctor: doctorCommand },
    ...{ download: downloadCommand, exposure: exposureCommand, merge: mergeCommand },
    ...{ objectives: objectivesCommand, push: pushCommand, report: reportCommand },
    ...{ sample: sampleCommand, tokenizer: tokenizerCommand, train: trainCommand },
  };
  for (const [task, command] of Object.entries(commands)) {
    const help = await helpOf((argv) => command(argv));
    assertMatch(help, new RegExp(`^[A-Z][^\\n]*\\n(?:.*\\n)*? *deno task ${task}\\b`), task);
  }
});
