/** The script of the worker of a visitor's own model. */
import { deviceOfPage } from "./device.ts";
import type { OwnRequest, OwnTiding } from "./own/protocol.ts";
import { makeOwnWorker } from "./own/worker.ts";

const hear = makeOwnWorker((tiding: OwnTiding) => postMessage(tiding), { device: deviceOfPage() });
addEventListener("message", ({ data }: MessageEvent<OwnRequest>) => hear(data));
