/** The choice of a device; where there is no WebGPU, with the reason. */
import { useId } from "npm:preact@11/hooks";
import { type DeviceName, deviceNames, deviceTitles } from "../device_names.ts";
import type { Adapter } from "./adapter.ts";

/** A device that is chosen, and the adapter on which the choice depends. */
export interface DeviceChoiceProps {
  readonly device: DeviceName;
  readonly adapter: Adapter;
  readonly isDisabled?: boolean;
  readonly choose: (device: DeviceName) => void;
}

/** What is to be known of WebGPU before it is chosen. */
function noteOn(adapter: Adapter): string | undefined {
  if (adapter.kind === "none") return `no WebGPU: ${adapter.reason}`;
  const isSoftware = adapter.kind === "there" && adapter.isSoftware;
  return isSoftware ? "WebGPU is there, by the processor alone" : undefined;
}

/** The choice. */
export function DeviceChoice({ device, adapter, isDisabled, choose }: DeviceChoiceProps) {
  const id = useId();
  const note = noteOn(adapter);
  return (
    <div class="device">
      <label class="inline">
        device
        <select
          value={device}
          disabled={isDisabled}
          aria-describedby={note === undefined ? undefined : id}
          onChange={({ currentTarget: { value } }) => {
            const chosen = deviceNames.find((name) => name === value);
            if (chosen !== undefined) choose(chosen);
          }}
        >
          {deviceNames.map((name) => (
            <option key={name} value={name} disabled={name === "webgpu" && adapter.kind === "none"}>
              {deviceTitles[name]}
            </option>
          ))}
        </select>
      </label>
      {note !== undefined && <small id={id} class="quiet">{note}</small>}
    </div>
  );
}
