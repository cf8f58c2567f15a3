/** The script of the worker, by WebGPU. */
import type { Request, Tiding } from "./protocol.ts";
import { openWebGpu } from "./webgpu_device.ts";
import { makeWorker } from "./worker.ts";

const hear = makeWorker((tiding: Tiding) => postMessage(tiding), openWebGpu);
addEventListener("message", ({ data }: MessageEvent<Request>) => hear(data));
