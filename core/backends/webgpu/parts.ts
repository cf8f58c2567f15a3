/** Maps over more buffers than a shader may bind, as several maps over fewer. */
import type { KernelOf, Step, Store } from "../../lowering/kernels.ts";
import type { KernelContext } from "./dispatch.ts";

/** A part of a map: some of its stores, and the steps and storages that they need. */
interface Part {
  readonly stores: readonly Store[];
  readonly steps: ReadonlySet<number>;
  readonly storages: ReadonlySet<string>;
}

/** The steps that a step's value depends on, itself included. */
function cone(steps: readonly Step[], value: number): Set<number> {
  const found = new Set<number>();
  const visit = (index: number) => {
    if (found.has(index)) return;
    found.add(index);
    const step = steps[index];
    if (step !== undefined && "operands" in step) step.operands.forEach(visit);
  };
  visit(value);
  return found;
}

function union<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): Set<T> {
  return new Set([...a, ...b]);
}

function together(a: Part, b: Part): Part {
  return {
    stores: [...a.stores, ...b.stores],
    steps: union(a.steps, b.steps),
    storages: union(a.storages, b.storages),
  };
}

/** A map with only some of its steps and stores. */
function partOf({ domain, steps }: KernelOf<"map">, part: Part): KernelOf<"map"> {
  const kept = steps.flatMap((_, index) => part.steps.has(index) ? [index] : []);
  const moved = new Map(kept.map((index, position) => [index, position]));
  const move = (index: number): number => {
    const position = moved.get(index);
    if (position === undefined) throw new RangeError(`step ${index} is not of the part`);
    return position;
  };
  return {
    kind: "map",
    domain,
    steps: steps.filter((_, index) => part.steps.has(index)).map((step) =>
      "operands" in step ? { ...step, operands: step.operands.map(move) } : step
    ),
    stores: part.stores.map((store) => ({ ...store, value: move(store.value) })),
  };
}

/**
 * The map as maps that each bind at most as many storages as the context allows, where that can be.
 * A store over elements that another one reads stays with it, since all of a map's reads come
 * first.
 */
export function inParts(kernel: KernelOf<"map">, context: KernelContext): KernelOf<"map">[] {
  const { steps, stores } = kernel;
  const { storageOf, bindings } = context;
  const loaded = (index: number): string[] => {
    const step = steps[index];
    return step?.kind === "load" ? [storageOf(step.buffer)] : [];
  };
  const reads = (part: Part) => new Set([...part.steps].flatMap(loaded));
  const writes = (part: Part) => part.stores.map(({ buffer }) => storageOf(buffer));
  const all = new Set([
    ...steps.flatMap((_, index) => loaded(index)),
    ...stores.map((store) => storageOf(store.buffer)),
  ]);
  if (all.size <= bindings) return [kernel];

  let parts = stores.map((store): Part => {
    const needed = cone(steps, store.value);
    const storages = new Set([...[...needed].flatMap(loaded), storageOf(store.buffer)]);
    return { stores: [store], steps: needed, storages };
  });
  const join = (mayJoin: (a: Part, b: Part) => boolean) => {
    const joined: Part[] = [];
    for (const part of parts) {
      let whole = part;
      for (let i = joined.length - 1; i >= 0; i--) {
        const other = joined[i];
        if (other === undefined || !mayJoin(other, whole)) continue;
        whole = together(other, whole);
        joined.splice(i, 1);
      }
      joined.push(whole);
    }
    parts = joined;
  };
  const overwrites = (a: Part, b: Part) => writes(a).some((storage) => reads(b).has(storage));
  let before: number;
  do {
    before = parts.length;
    join((a, b) => overwrites(a, b) || overwrites(b, a));
  } while (parts.length < before);
  join((a, b) => union(a.storages, b.storages).size <= bindings);
  return parts.map((part) => partOf(kernel, part));
}
