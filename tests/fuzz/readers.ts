/** Damaged inputs and what reads them, in this process. */
import { noConfig } from "../../cli/config/config_file.ts";
import { readConfig } from "../../cli/config/read_config.ts";
import { splitStages, stageSettings } from "../../cli/flags/stages.ts";
import { requireRoom } from "../../cli/run/room.ts";
import { latestCheckpoint } from "../../cli/run/checkpoints.ts";
import { parseFlags, prepare, readTrainedModel, settingFlags } from "@unitune/cli";
import { trainSettings } from "@unitune/training";
import { decodeSafetensors, fromRawTensor, SafetensorsError } from "@unitune/core";
import { decodeCheckpoint } from "@unitune/models";
import { runPage } from "../../cli/report/run_page.ts";
import { copyFolder, type Task } from "../cli/command.ts";
import {
  configurationInput,
  dataInput,
  type Kind,
  randomOf,
  type RunDamage,
  runDamage,
  safetensorsInput,
} from "./inputs.ts";
import { symbolicLink } from "../symbolic_link.ts";

/** A good run: its folder and its files. */
export interface GoodRun {
  readonly folder: string;
  readonly files: Readonly<Record<string, Uint8Array>>;
}

/** One input on the disk, and what reads it in this process. */
export interface Prepared {
  /** Where the input is. */
  readonly path: string;
  /** Reads it; what is refused is thrown. */
  read(): Promise<void>;
}

/** Makes an input in a folder. */
export type Maker = (
  seed: number,
  number: number,
  folder: string,
  good: GoodRun,
) => Promise<Prepared>;

const MODEL = /^checkpoints\/step-\d+\/model\.safetensors$/;

/** The first file of a run whose path matches. */
function fileOf({ files }: GoodRun, pattern: RegExp): Uint8Array {
  const found = Object.entries(files).find(([path]) => pattern.test(path));
  if (found === undefined) throw new RangeError(`the run has no file ${pattern}`);
  return found[1];
}

export const makers: { readonly [K in Kind]: Maker } = {
  async safetensors(seed, number, folder, good) {
    const bytes = safetensorsInput(randomOf("safetensors", seed, number), fileOf(good, MODEL));
    const path = `${folder}/model.safetensors`;
    await Deno.writeFile(path, bytes);
    const config = fileOf(good, /^checkpoints\/step-\d+\/config\.json$/);
    return {
      path,
      async read() {
        const { tensors } = decodeSafetensors(bytes);
        for (const raw of tensors.values()) {
          try {
            fromRawTensor(raw);
          } catch (error) {
            // Some types of elements have no tensors.
            if (!(error instanceof SafetensorsError)) throw error;
          }
        }
        await decodeCheckpoint(new Map([["config.json", config], ["model.safetensors", bytes]]));
      },
    };
  },

  async data(seed, number, folder) {
    const { ending, bytes, objective } = dataInput(randomOf("data", seed, number));
    const path = `${folder}/data${ending}`;
    await Deno.writeFile(path, bytes);
    return {
      path,
      async read() {
        const argv = ["--data", path, "--objective", objective];
        const settings = trainSettings(parseFlags(settingFlags(), argv).values);
        await prepare(settings);
      },
    };
  },

  async runs(seed, number, folder, good) {
    const path = `${folder}/run`;
    await copyFolder(good.folder, path);
    for (const damage of runDamage(randomOf("runs", seed, number), good.files)) {
      await damageRun(path, damage);
    }
    return {
      path,
      async read() {
        await latestCheckpoint(path);
        await readTrainedModel(path);
        await runPage(path);
      },
    };
  },

  async configurations(seed, number, folder) {
    const { config, ending, flags } = configurationInput(
      randomOf("configurations", seed, number),
    );
    const path = `${folder}/config.${ending}`;
    const argv = [...flags];
    if (config !== undefined) await Deno.writeFile(path, config);
    await Deno.writeTextFile(`${folder}/flags.json`, JSON.stringify(argv));
    return {
      path: folder,
      async read() {
        const file = config === undefined ? noConfig : await readConfig(path);
        const lines = splitStages(argv, file.stages.length);
        const parsed = lines.map((line) => parseFlags(settingFlags(), line));
        const stages = stageSettings(parsed, file);
        // Examples by the million take their time, and rightly so.
        if (stages.some(({ examples }) => examples > 100_000)) return;
        requireRoom(stages, await prepare(stages), { name: "wasm", memoryBytes: 2 ** 32 });
      },
    };
  },
};

/** Does to a run's folder what is to be done to it. */
async function damageRun(folder: string, { path, becomes }: RunDamage): Promise<void> {
  const place = `${folder}/${path}`;
  // Two damages may meet one file.
  await Deno.remove(place, { recursive: true }).catch(() => {});
  if (becomes instanceof Uint8Array) await Deno.writeFile(place, becomes);
  if (becomes === "folder") await Deno.mkdir(place);
  if (becomes === "loop") await symbolicLink(place, place);
  if (becomes === "pipe") await makePipe(place);
}

/** Makes a pipe that nobody writes to. */
async function makePipe(path: string): Promise<void> {
  await new Deno.Command("sh", { args: ["-c", 'mkfifo "$0"', path] }).output();
}

/** A command that reads an input. */
export interface ReadingCommand {
  readonly task: Task;
  readonly args: readonly string[];
}

/** One configuration in so many goes through the command as well as through its readers. */
const CONFIGURATIONS_PER_COMMAND = 3;

/**
 * The command that reads an input: of a run each of four in turn.
 *
 * @param folder The input's folder.
 * @param good The folder of the good run, with its data beside it.
 */
export function commandFor(
  kind: Kind,
  number: number,
  folder: string,
  good: string,
): ReadingCommand | undefined {
  const out = ["--out", `${folder}/out`];
  if (kind === "runs") {
    const run = `${folder}/run`;
    const data = ["--data", good.replace(/run$/, "rows.jsonl")];
    const commands: readonly ReadingCommand[] = [
      { task: "sample", args: ["--run", run, "--prompt", "aba", "--max-new-tokens", "4"] },
      { task: "report", args: ["--run", run] },
      { task: "train", args: ["--resume", run] },
      { task: "train", args: ["--from", run, "--steps", "1", ...data, ...out] },
    ];
    return commands[number % commands.length];
  }
  if (kind === "configurations" && number % CONFIGURATIONS_PER_COMMAND === 0) {
    const flags: readonly string[] = JSON.parse(Deno.readTextFileSync(`${folder}/flags.json`));
    const config = ["config.json", "config.yaml"].filter((own) =>
      [...Deno.readDirSync(folder)].some(({ name }) => name === own)
    ).flatMap((name) => ["--config", `${folder}/${name}`]);
    // What comes last wins: a moment's training, wherever settings make sense.
    const short = ["--steps=1", "--examples=20", "--device=wasm"];
    return {
      task: "train",
      args: [...config, ...flags, ...short, ...out],
    };
  }
  return undefined;
}
