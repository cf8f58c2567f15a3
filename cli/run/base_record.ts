/**
 * The record of a pretrained model of which a run trains an adapter.
 *
 * @module
 */

import { isRecord } from "../files/guards.ts";

/** A pretrained model, as the configuration of a run records it. */
export interface BaseRecord {
  /** Its name on the hub, or its folder. */
  readonly name: string;
  /** The commit of a model of the hub. */
  readonly revision?: string;
  /** A digest of its configuration and its weights. */
  readonly digest: string;
}

/** Whether a value of JSON is a record of a base. */
export function isBaseRecord(value: unknown): value is BaseRecord {
  if (!isRecord(value)) return false;
  const { name, revision, digest } = value;
  return typeof name === "string" && typeof digest === "string" &&
    (revision === undefined || typeof revision === "string");
}
