/** The device of a worker. */
import type { Device } from "@unitune/core";

/** Opens a device. */
export type OpenDevice = () => Device | Promise<Device>;

/** A device that is opened when it is first needed, and again after it has failed. */
export interface HeldDevice {
  take(): Promise<Device>;
  /** Gives the device up. */
  drop(): void;
}

/** Holds the device that a function opens. */
export function holdDevice(open: OpenDevice): HeldDevice {
  let held: Device | undefined;
  return {
    take: async () => held ??= await open(),
    drop() {
      held?.[Symbol.dispose]();
      held = undefined;
    },
  };
}
