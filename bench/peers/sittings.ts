/**
 * Sittings: in each, libraries are started anew, in the other order, since which comes first counts,
 * too; and they are measured in turns.
 */
import type { Measuring } from "../measure.ts";
import { type Missing, type Peer, type PeerCommand, startPeer } from "./peer.ts";
import { measureTurns, type TurnReport } from "./turns.ts";

/** The measurements of a sitting. */
export interface Sitting {
  /** The libraries that were there. */
  readonly peers: readonly Omit<Peer, "run" | typeof Symbol.asyncDispose>[];
  /** Their measurements. */
  readonly turns: readonly TurnReport[];
  /** The libraries that could not be measured. */
  readonly missing: readonly Missing[];
}

/** Options of sittings. */
export interface SittingOptions {
  /** The number of sittings. */
  readonly sittings: number;
  /** The length of a turn. */
  readonly turnMilliseconds: number;
  /** Looks at the libraries before they are measured (default: nothing is looked at). */
  readonly check?: (peers: readonly Peer[]) => void;
}

/** Starts libraries, and measures them in turns. */
async function sit(
  commands: readonly (PeerCommand | Missing)[],
  { turnMilliseconds, check = () => {} }: SittingOptions,
  measuring: Measuring,
): Promise<Sitting> {
  await using stack = new AsyncDisposableStack();
  const peers: Peer[] = [];
  const missing: Missing[] = [];
  for (const command of commands) {
    const peer = "missing" in command ? command : await startPeer(command);
    if ("run" in peer) peers.push(stack.use(peer));
    else missing.push(peer);
  }
  check(peers);
  const turns = await measureTurns(peers, measuring, turnMilliseconds);
  return { peers, turns, missing };
}

/**
 * Measures libraries in sittings.
 *
 * @param commands The libraries; those that are missing are so in every sitting.
 * @param options The number of sittings, and the length of a turn.
 * @param measuring The rounds, and the warm-up before them.
 * @returns The first sitting, and those after it.
 */
export async function measureSittings(
  commands: readonly (PeerCommand | Missing)[],
  options: SittingOptions,
  measuring: Measuring,
): Promise<readonly [Sitting, ...Sitting[]]> {
  const { sittings: count } = options;
  const sitting = (number: number) =>
    sit(number % 2 === 0 ? commands : commands.toReversed(), options, {
      ...measuring,
      progress: (done, all) => measuring.progress?.(number * all + done, count * all),
    });
  const sittings: [Sitting, ...Sitting[]] = [await sitting(0)];
  for (let number = 1; number < count; number++) sittings.push(await sitting(number));
  return sittings;
}

/** The measurements of one library, by sitting. */
export function turnsOf(sittings: readonly Sitting[], name: string): TurnReport[] {
  return sittings.flatMap(({ turns }) => turns.filter((turn) => turn.name === name));
}
