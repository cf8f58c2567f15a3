/** An experiment under way, as the views show it. */
import { useEffect, useMemo, useRef, useState } from "npm:preact@11/hooks";
import { type DeviceName, workerScripts } from "../device_names.ts";
import type { Experiment } from "../experiment.ts";
import type { Belief, KnownQuestion, Request, Tiding, Wondering } from "../protocol.ts";
import { gather, screen } from "./frames.ts";
import { type History, makeHistory } from "./history.ts";
import { type Link, openLink } from "./links.ts";

/** The stage that an experiment is in. */
export type Stage = "base" | "ready" | "done" | "failed";

/** What is known of an experiment. */
export interface Session {
  readonly stage: Stage;
  /** The experiments that were asked for and are not begun: what is told meanwhile is of others. */
  readonly awaited: number;
  /** Whether steps are taken. */
  readonly isPlaying: boolean;
  /** The steps of the common checkpoint that are done. */
  readonly baseStep: number;
  /** The steps that it takes, with those of a teacher if there is one. */
  readonly baseSteps: number;
  /** The exact match of the common checkpoint; NaN before. */
  readonly startMatch: number;
  readonly device: string;
  readonly history: History;
  /** Grows with the history. */
  readonly version: number;
  readonly questions: readonly KnownQuestion[];
  readonly beliefs: readonly Belief[];
  /** A sentence on what ended the experiment. */
  readonly fault: string | undefined;
  /** A sentence on a question that could not be answered. */
  readonly doubt: string | undefined;
}

/** The controls of an experiment. */
export interface Controls {
  play(): void;
  pause(): void;
  step(): void;
  pace(stepsPerSecond: number): void;
  reset(): void;
  wonder(wondering: Wondering): void;
}

const opened = (seeds: number, awaited = 0): Session => ({
  stage: "base",
  awaited,
  isPlaying: true,
  baseStep: 0,
  baseSteps: 1,
  startMatch: NaN,
  device: "",
  history: makeHistory(seeds),
  version: 0,
  questions: [],
  beliefs: [],
  fault: undefined,
  doubt: undefined,
});

/** A session after a tiding. */
function after(session: Session, tiding: Tiding): Session {
  const { awaited } = session;
  if (awaited > 0 && tiding.kind !== "begun") return session;
  switch (tiding.kind) {
    case "begun":
      return { ...session, awaited: Math.max(0, awaited - 1) };
    case "base":
      return { ...session, baseStep: tiding.step, baseSteps: tiding.steps };
    case "ready": {
      const { device, exactMatch: startMatch, questions } = tiding;
      return { ...session, stage: "ready", device, startMatch, questions };
    }
    case "points":
      session.history.add(tiding.points);
      return { ...session, version: session.version + 1 };
    case "done":
      return { ...session, stage: "done", isPlaying: false };
    case "beliefs":
      return { ...session, beliefs: tiding.beliefs, doubt: undefined };
    case "failed":
      return tiding.during === "wonder"
        ? { ...session, doubt: tiding.message }
        : { ...session, fault: tiding.message, stage: "failed", isPlaying: false };
    case "scene":
    case "moment":
      return session;
    default:
      return tiding satisfies never;
  }
}

/** Runs an experiment in a worker; another experiment or device takes its place. */
export function useSession(
  experiment: Experiment,
  device: DeviceName,
): readonly [Session, Controls] {
  const [session, setSession] = useState(() => opened(experiment.values.seeds));
  const link = useRef<Link<Request>>(null);
  const number = useRef(0);
  const key = JSON.stringify(experiment);

  useEffect(() => {
    const tidings = gather<Tiding>(
      (taken) => setSession((before) => taken.reduce(after, before)),
      screen,
    );
    link.current = openLink<Request, Tiding>(workerScripts[device], (tiding) => {
      if (tiding.kind === "beliefs" && tiding.number !== number.current) return;
      tidings.add(tiding);
    }, (message) => {
      // A worker that fails as a whole begins nothing more.
      const failed = { kind: "failed", during: "open", message } as const;
      setSession((before) => after({ ...before, awaited: 0 }, failed));
    });
    // What another worker has not begun, it never will.
    setSession((before) => ({ ...before, awaited: 0 }));
    return () => {
      tidings.close();
      link.current?.close();
      link.current = null;
    };
  }, [device]);

  const controls = useMemo((): Controls => ({
    play() {
      setSession((before) => ({ ...before, isPlaying: true }));
      link.current?.ask({ kind: "play" });
    },
    pause() {
      setSession((before) => ({ ...before, isPlaying: false }));
      link.current?.ask({ kind: "pause" });
    },
    step() {
      setSession((before) => ({ ...before, isPlaying: false }));
      link.current?.ask({ kind: "step" });
    },
    pace: (stepsPerSecond) => link.current?.ask({ kind: "pace", stepsPerSecond }),
    reset() {
      setSession(({ awaited }) => opened(experiment.values.seeds, awaited + 1));
      link.current?.ask({ kind: "open", experiment });
      link.current?.ask({ kind: "play" });
    },
    wonder(wondering) {
      number.current++;
      link.current?.ask({ kind: "wonder", number: number.current, wondering });
    },
  }), [key, device]);

  // Another experiment begins anew.
  useEffect(() => controls.reset(), [controls]);
  return [session, controls];
}
