/** The script of the worker. */
import type { Request, Tiding } from "./protocol.ts";
import { makeWorker } from "./worker.ts";

const hear = makeWorker((tiding: Tiding) => postMessage(tiding));
addEventListener("message", ({ data }: MessageEvent<Request>) => hear(data));
