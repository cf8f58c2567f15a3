/** Evaluation of expressions outside `compile`: by the same compiler, when they are read. */
import type { Buffer, Device, ElementRange, Operand, Program } from "./backend/device.ts";
import { defaultDevice } from "./devices.ts";
import type { TypedArray } from "./dtype.ts";
import { showGraph } from "./graph.ts";
import { showShape, sizeOf } from "./shape.ts";
import { simplify } from "./simplify.ts";
import { type Traced, traceGraph } from "./trace.ts";
import type { Tensor } from "./value.ts";

/** Programs of expressions that were evaluated, so that evaluating a like one compiles nothing. */
const programs = new WeakMap<Device, Map<string, Program>>();

/** Programs kept for each device; the least recently used goes first. */
const KEPT_PROGRAMS = 256;

/** Gives a device's storage back when the cell that names it is garbage. */
const unreachable = new FinalizationRegistry<Buffer>((buffer) => buffer.dispose());

/** Puts a result into a tensor's cell. */
export function store(tensor: Tensor, device: Device, buffer: Buffer): void {
  tensor.cell.value = { kind: "device", device, buffer };
  if (buffer.isHeld) unreachable.register(tensor.cell, buffer, tensor.cell);
}

/**
 * Takes the elements from a tensor that was given to a program.
 *
 * The collector then has nothing to give back when the tensor is garbage. It gives storage back
 * only between tasks, and no task begins during a loop of steps that awaits nothing but its losses:
 * registered storage would be kept, tensor by tensor and step by step.
 */
export function giveUp({ cell }: Tensor, why: string): void {
  unreachable.unregister(cell);
  // Storage that no program could take over, since the tensor stood among the arguments twice.
  if (cell.value.kind === "device") cell.value.buffer.dispose();
  cell.value = { kind: "gone", why };
}

/** Something that a program can be run on: a tensor that holds elements. */
export function operandOf(tensor: Tensor, device: Device): Operand {
  const { value } = tensor.cell;
  if (value.kind === "host") return { kind: "host", data: value.data };
  if (value.kind === "device" && value.device === device) {
    return { kind: "buffer", buffer: value.buffer };
  }
  throw new Error(
    value.kind === "device" ? elsewhere(tensor, value.device, device) : unreadable(tensor),
  );
}

/** The error for elements on another device, which may be one of the same kind. */
function elsewhere({ shape }: Tensor, { name }: Device, wanted: Device): string {
  const [there, here] = name === wanted.name
    ? [`one ${name} device`, `another, which has a memory of its own`]
    : [name, wanted.name];
  return `a tensor of shape ${showShape(shape)} is on ${there}, the program on ${here}: ` +
    `move it with \`tensor(await x.data(), x)\`, or use one device for both`;
}

function unreadable(tensor: Tensor): string {
  const { value } = tensor.cell;
  const why = value.kind === "gone"
    ? value.why
    : value.kind === "outline"
    ? "it is an outline, which has a shape and no elements"
    : "it depends on the arguments of a function that is being traced; return it instead";
  return `a tensor of shape ${showShape(tensor.shape)} cannot be read: ${why}`;
}

/** The device of the elements that an expression needs; f64 is the reference backend's. */
function chooseDevice({ graph, captured }: Traced): Device {
  for (const { cell: { value } } of captured) if (value.kind === "device") return value.device;
  return defaultDevice(graph.nodes.some(({ dtype }) => dtype === "f64") ? "f64" : "f32");
}

/** A compiled graph for a device, compiled now or before. */
function programFor(device: Device, traced: Traced): Program {
  const graph = simplify(traced.graph);
  const known = programs.get(device) ?? new Map<string, Program>();
  programs.set(device, known);
  const key = showGraph(graph);
  const program = known.get(key) ?? device.compile(graph, { donated: [] });
  known.delete(key);
  known.set(key, program);
  const [oldest] = known;
  if (known.size > KEPT_PROGRAMS && oldest !== undefined) {
    known.delete(oldest[0]);
    oldest[1].dispose();
  }
  return program;
}

/**
 * Computes expressions in one program and keeps the elements with their tensors.
 *
 * @param tensors The tensors to compute; tensors that hold elements already stay as they are.
 * @param device The device to compute on (default: the device of the captured elements).
 */
export function materialise(tensors: readonly Tensor[], device?: Device): void {
  const pending = tensors.filter(({ cell: { value } }) =>
    value.kind === "expression" || value.kind === "result"
  );
  if (pending.length === 0) return;
  const traced = pending.find((tensor) => tensor.traced);
  if (traced !== undefined) throw new Error(unreadable(traced));
  const trace = traceGraph([], pending);
  const chosen = device ?? chooseDevice(trace);
  const buffers = programFor(chosen, trace).run(
    trace.captured.map((tensor) => operandOf(tensor, chosen)),
  );
  // One cell may stand at several places; an output that is an input's node is copied by `run`.
  pending.forEach((tensor, i) => {
    const buffer = buffers[i];
    if (buffer !== undefined) store(tensor, chosen, buffer);
  });
}

/** The elements of a tensor, or those of a range, evaluated now if they were not yet. */
export async function readElements(tensor: Tensor, range?: ElementRange): Promise<TypedArray> {
  const size = sizeOf(tensor.shape);
  const { begin, end } = range ?? { begin: 0, end: size };
  if (![begin, end].every(Number.isInteger) || begin < 0 || end < begin || size < end) {
    throw new RangeError(
      `data: the range from ${begin} to ${end} is not within the ${size} elements of a tensor of ` +
        `shape ${showShape(tensor.shape)}`,
    );
  }
  materialise([tensor]);
  const { value } = tensor.cell;
  if (value.kind === "host") return value.data.slice(begin, end);
  if (value.kind === "device") return await value.buffer.read({ begin, end });
  throw new Error(unreadable(tensor));
}
