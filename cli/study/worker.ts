/**
 * The module of a study's worker: it carries out trials, one at a time, on one device, and replies
 * how each has ended.
 *
 * @module
 */

import { type Device, wasm } from "@unitune/core";
import { openDevice } from "../run/devices.ts";
import { shownError } from "../terminal/messages.ts";
import { userErrorOf } from "../terminal/errors.ts";
import { carryOutTrial } from "./trial.ts";
import type { Order, Reply, TrialOrder } from "./workers.ts";

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
  const devices: Device[] = [];

  const deviceFor = async ({ device: name, threads }: TrialOrder): Promise<Device> => {
    const device = devices[0] ?? (name === "wasm" ? wasm({ threads }) : await openDevice(name));
    devices[0] = device;
    return device;
  };

  const obey = async (order: TrialOrder): Promise<Reply> => {
    try {
      const device = await deviceFor(order);
      const isComplete = await carryOutTrial({ ...order, device, signal: stopping.signal });
      return { kind: isComplete ? "done" : "stopped" };
    } catch (error) {
      const told = userErrorOf(error);
      const { message, stack } = error instanceof Error ? error : new Error(String(error));
      return told === undefined
        ? { kind: "failed", isUserError: false, message, stack }
        : { kind: "failed", isUserError: true, message: shownError(told), stack: told.stack };
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
