/** The script of the worker of a visitor's own model, by WebGPU. */
import type { OwnRequest, OwnTiding } from "./own/protocol.ts";
import { makeOwnWorker } from "./own/worker.ts";
import { openWebGpu } from "./webgpu_device.ts";

const hear = makeOwnWorker((tiding: OwnTiding) => postMessage(tiding), { open: openWebGpu });
addEventListener("message", ({ data }: MessageEvent<OwnRequest>) => hear(data));
