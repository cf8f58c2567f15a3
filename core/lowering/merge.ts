/** Merging of map kernels: a kernel that feeds another over the same loops becomes part of it. */
import { at, sameShape } from "../shape.ts";
import type { Affine } from "./affine.ts";
import { stepKey } from "./body.ts";
import { type BufferPlan, type Kernel, type Step, usedBuffers } from "./kernels.ts";
import { BODY_LIMIT } from "./stored.ts";

type MapKernel = Extract<Kernel, { kind: "map" }>;

/**
 * Stores of a merged kernel beyond which kernels stay apart: its function takes the address of each,
 * and engines take 1,000 parameters. The zeros of an optimizer's moments are one value with a store
 * for each vector of a model.
 */
const STORE_LIMIT = 256;

function sameAffine(a: Affine, b: Affine): boolean {
  return a.offset === b.offset && sameShape(a.strides, b.strides);
}

/** Whether every load by `user` of a value stored by `maker` reads the element just stored. */
function feeds(maker: MapKernel, user: MapKernel): boolean {
  return user.steps.every((step) => {
    if (step.kind !== "load") return true;
    const store = maker.stores.find(({ buffer }) => buffer === step.buffer);
    return store === undefined || sameAffine(store.at, step.at);
  });
}

/** One body that does the work of both; values stored by `maker` are used without being loaded. */
function joined(maker: MapKernel, user: MapKernel, keep: (buffer: number) => boolean): MapKernel {
  const steps: Step[] = [];
  const known = new Map<string, number>();
  const add = (step: Step): number => {
    const key = stepKey(step);
    const position = known.get(key) ?? steps.push(step) - 1;
    known.set(key, position);
    return position;
  };
  const addAll = (body: readonly Step[], given: ReadonlyMap<number, number>): number[] => {
    const moved: number[] = [];
    for (const step of body) {
      const value = step.kind === "load" ? given.get(step.buffer) : undefined;
      moved.push(
        value ?? add(
          "operands" in step
            ? { ...step, operands: step.operands.map((operand) => at(moved, operand)) }
            : step,
        ),
      );
    }
    return moved;
  };
  const made = addAll(maker.steps, new Map());
  const values = new Map(maker.stores.map(({ buffer, value }) => [buffer, at(made, value)]));
  const used = addAll(user.steps, values);
  const stores = [
    ...maker.stores.filter(({ buffer }) => keep(buffer))
      .map((store) => ({ ...store, value: at(made, store.value) })),
    ...user.stores.map((store) => ({ ...store, value: at(used, store.value) })),
  ];
  return { kind: "map", domain: user.domain, steps, stores };
}

/**
 * The kernels with every map that can be made part of a later one made so; none that writes a buffer
 * which a barrier waits for, and so has to come before others.
 */
export function mergeMaps(
  kernels: readonly Kernel[],
  buffers: readonly BufferPlan[],
  awaited: ReadonlySet<number>,
): Kernel[] {
  const slots: (Kernel | undefined)[] = [...kernels];
  const uses = slots.map((kernel) => kernel === undefined ? undefined : usedBuffers(kernel));
  const readers = new Map<number, Set<number>>();
  const writers = new Map<number, number>();
  const note = (position: number) => {
    for (const buffer of uses[position]?.reads ?? []) {
      const set = readers.get(buffer) ?? new Set();
      readers.set(buffer, set.add(position));
    }
    for (const buffer of uses[position]?.writes ?? []) writers.set(buffer, position);
  };
  slots.forEach((_, position) => note(position));
  // A concatenation is written by several kernels, which must all come before its readers.
  const writeCounts = new Map<number, number>();
  for (const use of uses) {
    for (const buffer of use?.writes ?? []) {
      writeCounts.set(buffer, (writeCounts.get(buffer) ?? 0) + 1);
    }
  }

  for (let user = 0; user < slots.length; user++) {
    for (;;) {
      const kernel = slots[user];
      if (kernel?.kind !== "map") break;
      const makers = (uses[user]?.reads ?? []).flatMap((buffer) => writers.get(buffer) ?? []);
      const maker = makers.toSorted((a, b) => b - a).find((position) => {
        const candidate = slots[position];
        if (candidate?.kind !== "map") return false;
        if (candidate.steps.length + kernel.steps.length > BODY_LIMIT) return false;
        if (candidate.stores.length + kernel.stores.length > STORE_LIMIT) return false;
        if (!sameShape(candidate.domain, kernel.domain) || !feeds(candidate, kernel)) return false;
        // Moved down to the user, its stores must not be missed by a kernel in between.
        return candidate.stores.every(({ buffer }) =>
          writeCounts.get(buffer) === 1 && !awaited.has(buffer) &&
          [...readers.get(buffer) ?? []].every((reader) => reader >= user)
        );
      });
      const candidate = maker === undefined ? undefined : slots[maker];
      if (maker === undefined || candidate?.kind !== "map") break;
      const keep = (buffer: number) =>
        buffers[buffer]?.role.kind === "output" ||
        [...readers.get(buffer) ?? []].some((reader) => reader !== user);
      const merged = joined(candidate, kernel, keep);
      for (const set of readers.values()) {
        set.delete(maker);
        set.delete(user);
      }
      slots[maker] = undefined;
      slots[user] = merged;
      uses[maker] = undefined;
      uses[user] = usedBuffers(merged);
      note(user);
    }
  }
  return slots.filter((kernel) => kernel !== undefined);
}
