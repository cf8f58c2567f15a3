/**
 * The module of a study's worker: it carries out trials, one at a time, on one device, and replies
 * how each has ended.
 *
 * @module
 */

import { type Device, wasm } from "@unitune/core";
import { openDevice } from "../run/devices.ts";
import { trialClock } from "./clock.ts";
import { carryOutTrial, readTrialResult } from "./trial.ts";
import { failedReply, type Order, type Reply } from "./workers.ts";

/** An order to carry out a trial. */
type TrainOrder = Order & { readonly kind: "train" };

/** The part of a worker's global scope that other modules do not have. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<Order>) => void) | null;
  postMessage(message: Reply): void;
}

function isWorkerScope(scope: object): scope is WorkerScope {
  return "postMessage" in scope;
}

/** Obeys orders until the worker is terminated. */
function serve(scope: WorkerScope): void {
  const stopping = new AbortController();
  let opened: Device | undefined;

  const deviceFor = async ({ device: name, threads }: TrainOrder): Promise<Device> => {
    opened ??= name === "wasm" ? wasm({ threads }) : await openDevice(name, undefined, { threads });
    return opened;
  };

  const obey = async (order: TrainOrder): Promise<Reply> => {
    try {
      const device = await deviceFor(order);
      const time = trialClock(order);
      const isComplete = await carryOutTrial({ ...order, device, signal: stopping.signal });
      if (!isComplete) return { kind: "stopped" };
      // Read where it was written: another machine may not see the file yet.
      const result = await readTrialResult(order.folder, order.trial);
      if (result === undefined) throw new Error(`${order.trial.arm} was not measured`);
      return { kind: "done", result, time: time() };
    } catch (error) {
      return failedReply(error);
    }
  };

  scope.onmessage = ({ data: order }) => {
    switch (order.kind) {
      case "train":
        obey(order).then((reply) => scope.postMessage(reply));
        break;
      case "stop":
        stopping.abort();
        break;
      default:
        order satisfies never;
    }
  };
}

const scope: object = globalThis;
if (isWorkerScope(scope)) serve(scope);
