/** The script of the worker, by WebAssembly. */
import type { Request, Tiding } from "./protocol.ts";
import { openWasm } from "./wasm_device.ts";
import { makeWorker } from "./worker.ts";

const hear = makeWorker((tiding: Tiding) => postMessage(tiding), openWasm);
addEventListener("message", ({ data }: MessageEvent<Request>) => hear(data));
