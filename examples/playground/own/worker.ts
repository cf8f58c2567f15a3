/** The worker of a visitor's own model: it reads one, converses, and trains an adapter of it. */
import { type Device, onDevice, wasm } from "@unitune/core";
import {
  countParameters,
  createGenerator,
  encodeAdapter,
  type SavedAdapter,
  type TokenGenerator,
} from "@unitune/models";
import { UserError } from "@unitune/training";
import type { OpenDevice } from "../held_device.ts";
import { sentenceOf } from "../lab/training.ts";
import { archived } from "./archive.ts";
import { speak } from "./chat.ts";
import { chosenFiles, type OwnModel, readOwnModel } from "./checkpoint.ts";
import { downloadModel } from "./hub.ts";
import type { ModelPlace, OwnRequest, OwnTiding, Speech, Voice } from "./protocol.ts";
import { tuneAdapter } from "./tuning.ts";
import type { Tuning } from "./tuning_table.ts";

/** A model that answers, with its programs. */
interface Answerer {
  readonly generator: TokenGenerator<unknown>;
  readonly params: unknown;
}

/** Options of the worker. */
export interface OwnWorkerOptions {
  /** Opens the device (default: WebAssembly). */
  readonly open?: OpenDevice;
  /** The most bytes that weights may take (default: those of the device). */
  readonly limit?: number;
}

/** A model on its device. */
interface PlacedModel extends OwnModel {
  readonly device: Device;
}

/** The work of a worker, which hears requests and tells of its progress. */
export function makeOwnWorker(
  tell: (tiding: OwnTiding) => void,
  { open = () => wasm(), limit: given }: OwnWorkerOptions = {},
): (request: OwnRequest) => void {
  let own: PlacedModel | undefined;
  let adapter: SavedAdapter | undefined;
  const answerers = new Map<Voice, Answerer>();
  /** What was asked and is not done. */
  const pending = new Set<AbortController>();
  /** The end of what was asked before: requests never share the device. */
  let before: Promise<void> = Promise.resolve();

  /** Does something once all before it is done; `stop` ends it. */
  const enqueue = (kind: OwnRequest["kind"], work: (signal: AbortSignal) => Promise<void>) => {
    const ending = new AbortController();
    pending.add(ending);
    before = before.then(async () => {
      try {
        await work(ending.signal);
      } catch (error) {
        tell({ kind: "failed", during: kind, message: sentenceOf(error) });
      } finally {
        pending.delete(ending);
      }
    });
  };
  const model = (): PlacedModel => {
    if (own === undefined) throw new UserError("there is no model yet: choose its folder first");
    return own;
  };
  const trained = (): SavedAdapter => {
    if (adapter === undefined) throw new UserError("there is no adapter yet: train one first");
    return adapter;
  };

  const read = async (from: ModelPlace, signal: AbortSignal) => {
    const device = await open();
    const limit = given ?? device.memoryBytes ?? Infinity;
    const files = from.kind === "files" ? from.files : await downloadModel(from.place, {
      ...{ limit, signal },
      tell: (read, total) => tell({ kind: "downloading", read, total }),
    });
    const placed = await readOwnModel(chosenFiles(files), device, limit, (read, total) => {
      tell({ kind: "reading", read, total });
    });
    own = { ...placed, device };
    const { model: { config }, bytes, isTemplateGiven } = own;
    tell({
      kind: "model",
      about: {
        ...{ architecture: config.modelType, parameters: countParameters(own.model) },
        ...{ bytes, context: config.context, isTemplateGiven },
      },
    });
  };

  const answererOf = (voice: Voice): Answerer => {
    const known = answerers.get(voice);
    if (known !== undefined) return known;
    const { device } = model();
    const { model: speaking, params } = voice === "base" ? model() : trained();
    const made = {
      generator: createGenerator(speaking, { device }),
      params: onDevice(params, device),
    };
    answerers.set(voice, made);
    return made;
  };

  const answer = async ({ voice, ...speech }: Speech, signal: AbortSignal) => {
    const { tokenizer, model: { config: { context } } } = model();
    const pieces = speak({ ...answererOf(voice), tokenizer, context }, speech, signal);
    while (true) {
      const { done, value } = await pieces.next();
      if (done === true) return tell({ kind: "answered", end: value });
      if (value !== "") tell({ kind: "said", text: value });
    }
  };

  const tune = async (tuning: Tuning, signal: AbortSignal) => {
    const { steps, ...made } = await tuneAdapter(model(), tuning, model().device, {
      notes: (notes) => tell({ kind: "notes", notes }),
      points: (points) => tell({ kind: "points", points }),
      signal,
    });
    adapter = made;
    answerers.get("adapter")?.generator[Symbol.dispose]();
    answerers.delete("adapter");
    tell({ kind: "tuned", steps });
  };

  return (request) => {
    switch (request.kind) {
      case "read":
        return enqueue("read", (signal) => read(request.from, signal));
      case "speak":
        return enqueue("speak", (signal) => answer(request.speech, signal));
      case "tune":
        return enqueue("tune", (signal) => tune(request.tuning, signal));
      case "save":
        return enqueue("save", async () => {
          const files = await encodeAdapter(trained(), { baseName: request.baseName });
          tell({ kind: "saved", files, archive: archived(files) });
        });
      case "stop":
        for (const ending of pending) ending.abort();
        return;
      default:
        return request satisfies never;
    }
  };
}
