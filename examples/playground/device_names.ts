/** The devices between which a visitor chooses. */

/** Their names, as an address has them. */
export const deviceNames = ["wasm", "webgpu"] as const;

/** A device: WebAssembly, or WebGPU where the browser has an adapter. */
export type DeviceName = typeof deviceNames[number];

/** The scripts of their workers, of which a page loads one. */
export const workerScripts: Readonly<Record<DeviceName, string>> = {
  wasm: "./worker_entry.js",
  webgpu: "./webgpu_worker_entry.js",
};

/** The scripts of the workers of a visitor's own model. */
export const ownWorkerScripts: Readonly<Record<DeviceName, string>> = {
  wasm: "./own_worker_entry.js",
  webgpu: "./webgpu_own_worker_entry.js",
};

/** The names of the devices for people. */
export const deviceTitles: Readonly<Record<DeviceName, string>> = {
  wasm: "WebAssembly",
  webgpu: "WebGPU",
};
