/**
 * Trials in the workers of other processes. All processes take turns: in each, everyone says what is
 * new to all. The first process gives orders, the others reply, until the first says that it is over.
 *
 * @module
 */

import { type Collective, gatherValues } from "@unitune/training";
import { failedReply, type HandMaker, type Reply, type TrialOrder } from "./workers.ts";

/** An order to a hand of another process. */
interface LentOrder {
  /** The process. */
  readonly rank: number;
  /** Its hand. */
  readonly hand: number;
  /** The order. */
  readonly order: TrialOrder;
}

/** A reply to the first process. */
interface LentReply {
  /** The hand. */
  readonly hand: number;
  /** Its reply. */
  readonly reply: Reply;
}

/** What a process says in a turn. */
interface Said {
  /** Orders, of the first process. */
  readonly orders: readonly LentOrder[];
  /** Replies, of the others. */
  readonly replies: readonly LentReply[];
  /** Whether all trials are to stop after their current steps. */
  readonly isStopping: boolean;
  /** Whether this is the last turn, of the first process. */
  readonly isOver: boolean;
}

/** The time between two turns in milliseconds: short beside a trial, and long beside a turn. */
const BETWEEN = 50;

/** Takes turns until the first process says that it is over. */
async function takeTurns(
  collective: Collective,
  say: () => Said,
  hear: (all: readonly Said[]) => void,
): Promise<void> {
  while (true) {
    const all = await gatherValues(collective, say());
    hear(all);
    if (all[0]?.isOver === true) return;
    await new Promise((resolve) => setTimeout(resolve, BETWEEN));
  }
}

/** The hands of other processes. Disposing of them ends the turns; no hand may work by then. */
export interface BorrowedHands extends AsyncDisposable {
  /** What makes them. */
  readonly makers: readonly HandMaker[];
  /** Aborted once another process was asked to stop. */
  readonly signal: AbortSignal;
}

/**
 * Borrows the hands of other processes, in the first.
 *
 * @param collective The processes, of which each other one calls {@linkcode lendHands}.
 * @param counts The number of hands of each process.
 * @returns The hands.
 */
export function borrowHands(collective: Collective, counts: readonly number[]): BorrowedHands {
  const asked = new AbortController();
  const waiting = new Map<string, (reply: Reply) => void>();
  let orders: LentOrder[] = [];
  let [isStopping, isOver] = [false, false];
  const turns = takeTurns(
    collective,
    () => {
      const said = { orders, replies: [], isStopping, isOver };
      orders = [];
      return said;
    },
    (all) => {
      // Before the replies of trials that were stopped.
      if (all.some((said, rank) => rank > 0 && said.isStopping)) asked.abort();
      for (const [rank, { replies }] of all.entries()) {
        for (const { hand, reply } of replies) waiting.get(`${rank}:${hand}`)?.(reply);
      }
    },
  );
  // Whoever waits for a reply is told, and who disposes of the hands.
  turns.catch(() => {});
  const ended = async (): Promise<never> => {
    await turns;
    throw new RangeError("borrowHands: it was over before a reply came");
  };
  const maker = (rank: number, hand: number): HandMaker => (signal) => {
    const stop = () => isStopping = true;
    signal.addEventListener("abort", stop);
    return {
      work(order) {
        const replied = new Promise<Reply>((resolve) => waiting.set(`${rank}:${hand}`, resolve));
        orders.push({ rank, hand, order });
        return Promise.race([replied, ended()]);
      },
      [Symbol.dispose]: () => signal.removeEventListener("abort", stop),
    };
  };
  return {
    makers: counts.flatMap((count, rank) =>
      rank === 0 ? [] : Array.from({ length: count }, (_, hand) => maker(rank, hand))
    ),
    signal: asked.signal,
    async [Symbol.asyncDispose]() {
      isOver = true;
      await turns;
    },
  };
}

/**
 * Lends hands to the first process, until it says that it is over.
 *
 * @param collective The processes, of which the first calls {@linkcode borrowHands}.
 * @param makers What makes the hands.
 * @param signal Stops all trials of the study after their current steps.
 */
export async function lendHands(
  collective: Collective,
  makers: readonly HandMaker[],
  signal: AbortSignal,
): Promise<void> {
  const told = new AbortController();
  const stopping = AbortSignal.any([signal, told.signal]);
  const hands = makers.map((make) => make(stopping));
  let replies: LentReply[] = [];
  const obey = ({ hand, order }: LentOrder) => {
    const work = hands[hand]?.work(order) ??
      Promise.reject(new RangeError(`lendHands: there is no hand ${hand}`));
    work.catch(failedReply).then((reply) => replies.push({ hand, reply }));
  };
  try {
    await takeTurns(
      collective,
      () => {
        const said = { orders: [], replies, isStopping: signal.aborted, isOver: false };
        replies = [];
        return said;
      },
      ([first]) => {
        if (first?.isStopping === true) told.abort();
        first?.orders.filter(({ rank }) => rank === collective.rank).forEach(obey);
      },
    );
  } finally {
    for (const hand of hands) hand[Symbol.dispose]();
  }
}
