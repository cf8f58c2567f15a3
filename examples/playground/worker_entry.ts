/** The script of the worker. */
import type { Request, Tiding } from "./protocol.ts";
import { makeWorker } from "./worker.ts";
import { deviceOfPage } from "./device.ts";

const hear = makeWorker((tiding: Tiding) => postMessage(tiding), deviceOfPage());
addEventListener("message", ({ data }: MessageEvent<Request>) => hear(data));
