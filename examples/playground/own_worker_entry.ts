/** The script of the worker of a visitor's own model, by WebAssembly. */
import type { OwnRequest, OwnTiding } from "./own/protocol.ts";
import { makeOwnWorker } from "./own/worker.ts";
import { openWasm } from "./wasm_device.ts";

const hear = makeOwnWorker((tiding: OwnTiding) => postMessage(tiding), { open: openWasm });
addEventListener("message", ({ data }: MessageEvent<OwnRequest>) => hear(data));
