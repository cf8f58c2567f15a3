/** A visitor's own model, as the view shows it. */
import type { ChatMessage } from "@unitune/models";
import { useEffect, useMemo, useRef, useState } from "npm:preact@11/hooks";
import { type DeviceName, ownWorkerScripts } from "../device_names.ts";
import type {
  AboutModel,
  AnswerEnd,
  ModelPlace,
  OwnRequest,
  OwnTiding,
  Speech,
} from "../own/protocol.ts";
import type { Tuning } from "../own/tuning_table.ts";
import { gather, screen } from "./frames.ts";
import { type History, makeHistory } from "./history.ts";
import { type Link, openLink } from "./links.ts";

/** A file to download. */
export interface Download {
  readonly name: string;
  readonly url: string;
}

/** What is known of the model. */
export interface OwnSession {
  /** The name of its folder, or that of the hub; undefined before one was chosen. */
  readonly name: string | undefined;
  /** The share of the weights that was read, or has arrived. */
  readonly read: number;
  /** The bytes of a download. */
  readonly total: number;
  readonly about: AboutModel | undefined;
  /** What the worker does. */
  readonly doing: "nothing" | "downloading" | "reading" | "speaking" | "tuning";
  readonly conversation: readonly ChatMessage[];
  readonly end: AnswerEnd | undefined;
  readonly history: History;
  readonly version: number;
  readonly notes: readonly string[];
  /** The steps of the adapter; undefined before there is one. */
  readonly steps: number | undefined;
  /** The files of the adapter. */
  readonly downloads: readonly Download[];
  /** What went wrong, by what was asked. */
  readonly faults: Readonly<Partial<Record<OwnRequest["kind"], string>>>;
}

/** What a visitor does with the model. */
export interface OwnControls {
  /** Reads a model, in place of any other. */
  read(name: string, from: ModelPlace, device: DeviceName): void;
  /** Reads the same model again, for another device. */
  readAgain(device: DeviceName): void;
  /** Says something and has it answered. */
  say(text: string, how: Omit<Speech, "messages" | "seed">): void;
  /** Begins a new conversation. */
  forget(): void;
  tune(tuning: Tuning): void;
  stop(): void;
}

const nothing: OwnSession = {
  ...{ name: undefined, read: 0, total: 0, about: undefined, doing: "nothing", conversation: [] },
  ...{ end: undefined, history: makeHistory(1), version: 0, notes: [], steps: undefined },
  ...{ downloads: [], faults: {} },
};

/** What was told, and by which worker. */
interface Heard {
  readonly by: Link<OwnRequest>;
  readonly tiding: OwnTiding;
}

/** A conversation with more of the answer at its end. */
function withMore(conversation: readonly ChatMessage[], text: string): readonly ChatMessage[] {
  const last = conversation.at(-1);
  return last?.role === "assistant"
    ? [...conversation.slice(0, -1), { role: "assistant", content: `${last.content}${text}` }]
    : [...conversation, { role: "assistant", content: text }];
}

/** A conversation without its last question and what follows. */
function beforeLastQuestion(conversation: readonly ChatMessage[]): readonly ChatMessage[] {
  return conversation.slice(0, conversation.findLastIndex(({ role }) => role === "user"));
}

function after(session: OwnSession, tiding: OwnTiding): OwnSession {
  switch (tiding.kind) {
    case "downloading":
    case "reading": {
      const { kind, read, total } = tiding;
      return { ...session, doing: kind, read: read / total, total };
    }
    case "model":
      return { ...session, about: tiding.about, doing: "nothing" };
    case "said":
      return { ...session, conversation: withMore(session.conversation, tiding.text) };
    case "answered":
      return {
        ...session,
        ...{ doing: "nothing", end: tiding.end },
        // An answer that was stopped before its first word is one: the turns alternate.
        conversation: withMore(session.conversation, ""),
      };
    case "notes":
      return { ...session, notes: tiding.notes };
    case "points":
      session.history.add(tiding.points);
      return { ...session, version: session.version + 1 };
    case "tuned":
      return { ...session, doing: "nothing", steps: tiding.steps };
    case "saved":
      return {
        ...session,
        downloads: [...tiding.files, ["adapter.zip", tiding.archive] as const].map((
          [name, bytes],
        ) => ({
          name,
          url: URL.createObjectURL(new Blob([bytes])),
        })),
      };
    case "failed":
      return {
        ...session,
        doing: "nothing",
        // A message that could not be answered is taken back, with what was said of an answer.
        ...tiding.during === "speak" && { conversation: beforeLastQuestion(session.conversation) },
        ...tiding.during === "read" && { about: undefined },
        faults: { ...session.faults, [tiding.during]: tiding.message },
      };
    default:
      return tiding satisfies never;
  }
}

/** A model of a visitor's own, which a worker holds from the moment when its folder is chosen. */
export function useOwnModel(): readonly [OwnSession, OwnControls] {
  const [session, setSession] = useState(nothing);
  const link = useRef<Link<OwnRequest>>(null);
  const latest = useRef<{ readonly name: string; readonly from: ModelPlace }>(null);
  const tidings = useMemo(() =>
    gather<Heard>((taken) => {
      // What a worker has told before it was closed is of another model.
      const own = taken.filter(({ by }) => by === link.current).map(({ tiding }) => tiding);
      setSession((before) => own.reduce(after, before));
    }, screen), []);
  useEffect(() => () => {
    tidings.close();
    link.current?.close();
  }, [tidings]);
  /** The files of an adapter that another one replaces. */
  const { downloads } = session;
  useEffect(() => () => downloads.forEach(({ url }) => URL.revokeObjectURL(url)), [downloads]);
  const current = useRef(session);
  current.current = session;

  const controls = useMemo((): OwnControls => {
    const ask = (request: OwnRequest, change: Partial<OwnSession>) => {
      setSession((before) => ({
        ...before,
        faults: { ...before.faults, [request.kind]: undefined },
        ...change,
      }));
      link.current?.ask(request);
    };
    const read: OwnControls["read"] = (name, from, device) => {
      latest.current = { name, from };
      // The memory of another model goes with its worker.
      link.current?.close();
      const own = openLink<OwnRequest, OwnTiding>(
        ownWorkerScripts[device],
        (tiding) => {
          tidings.add({ by: own, tiding });
          if (tiding.kind === "tuned") own.ask({ kind: "save", baseName: name });
        },
        (message) => tidings.add({ by: own, tiding: { kind: "failed", during: "read", message } }),
      );
      link.current = own;
      ask({ kind: "read", from }, {
        ...nothing,
        ...{ name, doing: from.kind === "hub" ? "downloading" : "reading" },
      });
    };
    return {
      read,
      readAgain(device) {
        const { name, from } = latest.current ?? {};
        if (name !== undefined && from !== undefined) read(name, from, device);
      },
      say(text, how) {
        const messages = [
          ...current.current.conversation,
          { role: "user", content: text } as const,
        ];
        const seed = messages.length;
        ask({ kind: "speak", speech: { ...how, messages, seed } }, {
          ...{ conversation: messages, doing: "speaking", end: undefined },
        });
      },
      forget: () => setSession((before) => ({ ...before, conversation: [], end: undefined })),
      tune: (tuning) =>
        ask({ kind: "tune", tuning }, {
          ...{ doing: "tuning", history: makeHistory(1), notes: [], steps: undefined },
          downloads: [],
        }),
      stop: () => link.current?.ask({ kind: "stop" }),
    };
  }, [tidings]);
  return [session, controls];
}
