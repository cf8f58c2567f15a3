/** The messages between the page and the worker of a visitor's own model. */
import type { ChatMessage } from "@unitune/models";
import type { Point } from "../protocol.ts";
import type { HubPlace } from "./hub.ts";
import type { Tuning } from "./tuning_table.ts";

/** Who answers: the model as it was read, or with the adapter that was trained. */
export type Voice = "base" | "adapter";

/** What to answer, and how. */
export interface Speech {
  readonly messages: readonly ChatMessage[];
  readonly voice: Voice;
  /** Divides the logits; 0 always takes the likeliest token. */
  readonly temperature: number;
  /** The most tokens of the answer. */
  readonly maxNewTokens: number;
  readonly seed: number;
}

/** Where a model is read from: files that were chosen, or a hub. */
export type ModelPlace =
  | { readonly kind: "files"; readonly files: readonly File[] }
  | { readonly kind: "hub"; readonly place: HubPlace };

/** A request of the page. A worker reads one model: another one has a worker of its own. */
export type OwnRequest =
  /** Reads a model. */
  | { readonly kind: "read"; readonly from: ModelPlace }
  /** Answers a conversation. */
  | { readonly kind: "speak"; readonly speech: Speech }
  /** Trains an adapter. */
  | { readonly kind: "tune"; readonly tuning: Tuning }
  /** Writes the adapter as files. */
  | { readonly kind: "save"; readonly baseName: string }
  /** Ends the download, the answer or the training under way. */
  | { readonly kind: "stop" };

/** What is known of a model that was read. */
export interface AboutModel {
  /** `model_type` of its configuration. */
  readonly architecture: string;
  readonly parameters: number;
  /** The number of bytes of its weights. */
  readonly bytes: number;
  /** The most tokens that it reads. */
  readonly context: number;
  /** Whether a chat template was given to a model that has none. */
  readonly isTemplateGiven: boolean;
}

/** Why an answer has ended. */
export type AnswerEnd = "stop token" | "length" | "stopped";

/** What the worker tells. */
export type OwnTiding =
  /** Bytes that have arrived from the hub so far, and all of them. */
  | { readonly kind: "downloading"; readonly read: number; readonly total: number }
  /** Bytes of the weights that were read so far, and all of them. */
  | { readonly kind: "reading"; readonly read: number; readonly total: number }
  | { readonly kind: "model"; readonly about: AboutModel }
  /** A piece of the answer. */
  | { readonly kind: "said"; readonly text: string }
  | { readonly kind: "answered"; readonly end: AnswerEnd }
  /** Sentences on the rows. */
  | { readonly kind: "notes"; readonly notes: readonly string[] }
  | { readonly kind: "points"; readonly points: readonly Point[] }
  /** The adapter is trained, or its training was ended. */
  | { readonly kind: "tuned"; readonly steps: number }
  /** The adapter's files, and all of them in one zip. */
  | {
    readonly kind: "saved";
    readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
    readonly archive: Uint8Array<ArrayBuffer>;
  }
  /** Something was wrong: a sentence for the visitor. */
  | { readonly kind: "failed"; readonly during: OwnRequest["kind"]; readonly message: string };
