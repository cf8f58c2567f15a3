/** Where Unitune computes beside its peers, and what its process may do for that. */
import type { FlagValues } from "@unitune/cli";
import type { peersFlags } from "./flags.ts";

/** The device that Unitune computes on, and jax-js where it has it. */
export type DeviceName = FlagValues<typeof peersFlags>["device"];

/** The permissions of Unitune's process: compiled C is in the user's cache, and called. */
export function permissionsFor(device: DeviceName, folder: string): string[] {
  if (device !== "native") return [`--allow-read=${folder}`];
  return [
    ...["--allow-read", "--allow-write", "--allow-ffi", "--allow-run=cc,sh"],
    "--allow-env=CC,XDG_CACHE_HOME,HOME",
  ];
}
