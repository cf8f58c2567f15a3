/** The worker: an experiment or a frozen lake, by messages. */
import { wasm } from "@unitune/core";
import { UserError } from "@unitune/training";
import { holdDevice, type OpenDevice } from "./held_device.ts";
import { type Believer, makeBeliever } from "./lab/beliefs.ts";
import { carryOut, prepareBench, sentenceOf } from "./lab/training.ts";
import { makeTurns, type Turns } from "./lab/turns.ts";
import type { Request, Tiding, Wondering } from "./protocol.ts";

/** The work of a worker, which hears requests and tells of its progress. */
export function makeWorker(
  tell: (tiding: Tiding) => void,
  open: OpenDevice = () => wasm(),
): (request: Request) => void {
  const held = holdDevice(open);
  let turns: Turns = makeTurns();
  let wonder: ((number: number, wondering: Wondering) => void) | undefined;
  /** The end of what was begun before, so that two experiments never share the device. */
  let before: Promise<void> = Promise.resolve();

  /** Ends what goes on, and begins something else with turns of its own. */
  const begin = (
    kind: Request["kind"],
    work: (own: Turns, tell: (tiding: Tiding) => void) => Promise<void>,
  ) => {
    turns.close();
    wonder = undefined;
    const own = makeTurns();
    turns = own;
    const say = (tiding: Tiding) => {
      if (turns === own) tell(tiding);
    };
    say({ kind: "begun" });
    before = before.then(async () => {
      if (turns !== own) return;
      try {
        await work(own, say);
      } catch (error) {
        if (!(error instanceof UserError)) held.drop();
        say({ kind: "failed", during: kind, message: sentenceOf(error) });
      }
    });
  };

  return (request) => {
    switch (request.kind) {
      case "open":
        return begin("open", async (own, tell) => {
          const isWanted = () => turns === own;
          const device = await held.take();
          const bench = await prepareBench(request.experiment, device, tell, isWanted);
          if (bench === undefined) return;
          const believer = makeBeliever(bench, device);
          wonder = (number, wondering) => own.between(() => answer(believer, number, wondering));
          try {
            await carryOut(bench, own, tell);
          } finally {
            believer[Symbol.dispose]();
          }
        });
      case "lake":
        return begin("lake", async (own, tell) => {
          const { followLake } = await import("./lab/lake.ts");
          await followLake(request.wish, own, tell);
        });
      case "play":
        return turns.play();
      case "pause":
        return turns.pause();
      case "step":
        return turns.step();
      case "pace":
        return turns.pace(request.stepsPerSecond);
      case "wonder":
        return wonder?.(request.number, request.wondering);
      default:
        return request satisfies never;
    }
  };

  async function answer(believer: Believer, number: number, wondering: Wondering): Promise<void> {
    try {
      tell({ kind: "beliefs", number, beliefs: await believer.believe(wondering) });
    } catch (error) {
      tell({ kind: "failed", during: "wonder", message: sentenceOf(error) });
    }
  }
}
