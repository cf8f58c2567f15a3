/**
 * The native backend, for Deno: kernels as C, compiled on the machine, so that products and loops use
 * the whole width of its vectors and memory ends where the machine's does.
 *
 * @module
 */
export { native, type NativeDevice, type NativeOptions } from "./native.ts";
export { NativeUnavailableError } from "./compiler.ts";
