/**
 * The facts of a machine in words.
 *
 * @module
 */

import { showBytes } from "@unitune/training";
import { showCount } from "../terminal/layout.ts";
import type { Pace } from "../run/pace.ts";
import type { CacheFacts, MachineFacts } from "./machine.ts";

/** The bytes that addresses of 32 bits reach. */
const NARROW = 2 ** 32;

/** A cache in words. */
function cacheWords(cache: CacheFacts | undefined): string {
  if (cache === undefined) return "its place is unknown: neither HOME nor a folder for it is set";
  const { folder, bytes } = cache;
  return bytes === undefined ? `${folder}, not there yet` : `${folder}, ${showBytes(bytes)}`;
}

/** The graphics processor in words. */
function graphicsWords(graphics: MachineFacts["graphics"]): readonly string[] {
  if ("missing" in graphics) return [graphics.missing];
  const { description, isSoftware, features, limits: { buffer, binding } } = graphics;
  return [
    description + (isSoftware ? ", a software adapter: wasm is faster" : ""),
    `buffers of at most ${showBytes(buffer)}, of which a kernel sees ${showBytes(binding)}`,
    ...features.length === 0 ? [] : [`found beyond the standard: ${features.join(", ")}`],
  ];
}

/** The device that a training takes unless told. */
function usualDevice({ graphics }: Pick<MachineFacts, "graphics">): "webgpu" | "wasm" {
  return "missing" in graphics || graphics.isSoftware ? "wasm" : "webgpu";
}

/**
 * The facts of a machine as rows of a table: what is meant, and lines about it.
 *
 * @param machine The facts.
 * @param pace The pace of wasm.
 * @returns The rows.
 */
export function diagnosis(
  machine: MachineFacts,
  pace: Pace,
): readonly (readonly [what: string, lines: readonly string[]])[] {
  const { deno, processors, memory, wasm, graphics, compiler, hubCache, tableCache } = machine;
  const isWide = wasm.mostBytes > NARROW;
  return [
    ["Deno", [`${deno.version} on ${deno.target}`]],
    ["processor", [`${processors} threads`]],
    ["memory", [
      memory === undefined
        ? "unknown: --allow-sys=systemMemoryInfo lets Deno tell"
        : `${showBytes(memory.total)}, of which ${showBytes(memory.available)} are free`,
    ]],
    ["wasm", [
      `${wasm.threads} threads, memory up to ${showBytes(wasm.mostBytes)}` +
      (isWide ? `, beyond ${showBytes(NARROW)} by addresses of 64 bits` : ""),
      `${showCount(pace.multiplications)} multiplications of products a second, ` +
      `${showBytes(pace.bytes)} read a second`,
    ]],
    ["webgpu", graphicsWords(graphics)],
    ["device", [`--device auto trains on ${usualDevice(machine)}`]],
    ["C compiler", [compiler ?? "none in PATH; --device native alone needs one"]],
    ["hub cache", [cacheWords(hubCache)]],
    ["data cache", [cacheWords(tableCache)]],
  ];
}
