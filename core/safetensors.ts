/**
 * The safetensors format: named tensors in one file, without code and without surprises.
 *
 * A file is the length of its header (unsigned 64-bit, little-endian), the header (JSON, padded
 * with spaces) and the tensors' bytes, which the header's offsets cover without hole or overlap.
 * Elements are little-endian, as on every platform that runs this package. A file may come from
 * anywhere, so reading trusts nothing in it.
 *
 * Source: https://github.com/huggingface/safetensors#format
 */
import { allocate, type DType, isStorage, type TypedArray } from "./dtype.ts";
import { bfloatsToFloats, floatsToBfloats, halvesToFloats, widened } from "./half.ts";
import { type Shape, showShape } from "./shape.ts";
import { abridged, quoted } from "./text.ts";

/** The name of an element type in a safetensors file. */
export type RawDType =
  | "BOOL"
  | "U8"
  | "I8"
  | "F8_E4M3"
  | "F8_E5M2"
  | "U16"
  | "I16"
  | "F16"
  | "BF16"
  | "U32"
  | "I32"
  | "F32"
  | "U64"
  | "I64"
  | "F64";

/** A tensor as a file holds it. */
export interface RawTensor {
  /** The element type. */
  readonly dtype: RawDType;
  /** The sizes of the axes; `[]` is a scalar. */
  readonly shape: Shape;
  /** The elements' bytes, in row-major order and little-endian. */
  readonly data: Uint8Array;
}

/** The contents of a file. */
export interface Safetensors {
  /** The tensors by name, in the order of their bytes. */
  readonly tensors: ReadonlyMap<string, RawTensor>;
  /** Free text by name; empty where the file has none. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A tensor's elements, read from a device or bound for one. */
export interface TensorData {
  /** The element type. */
  readonly dtype: DType;
  /** The sizes of the axes. */
  readonly shape: Shape;
  /** The elements in row-major order. */
  readonly data: TypedArray;
}

/** Bytes or tensors do not follow the safetensors format. */
export class SafetensorsError extends Error {
  /** The error's name. */
  override readonly name = "SafetensorsError";
}

/** Bytes that one element of each of the format's element types takes. */
const itemSizes: Readonly<Record<RawDType, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
};

/** The format's own bound: a corrupt length is no reason to parse gigabytes. */
const MAX_HEADER_BYTES = 100_000_000;
const LENGTH_BYTES = 8;
const METADATA = "__metadata__";

/** A tensor's type in a file, and its shape. */
export type RawTensorType = Pick<RawTensor, "dtype" | "shape">;

/**
 * The number of bytes that a tensor takes in a file.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { rawByteLength } from "@unitune/core";
 *
 * assertEquals(rawByteLength({ dtype: "BF16", shape: [3, 5] }), 30);
 * ```
 *
 * @param type The element type and the shape.
 * @returns The number of bytes.
 * @throws {SafetensorsError} If the number is too large to be one.
 */
export function rawByteLength({ dtype, shape }: RawTensorType): number {
  let size = itemSizes[dtype];
  for (const axis of shape) {
    size *= axis;
    if (!isNatural(axis) || !isNatural(size)) {
      throw new SafetensorsError(`shape ${quoted(shape)} overflows`);
    }
  }
  return size;
}

/**
 * The beginning of a safetensors file, up to the elements of the first tensor. The elements of all
 * tensors follow, one after the other: so a file can be written tensor by tensor.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { encodeSafetensors, encodeSafetensorsHeader, toRawTensor } from "@unitune/core";
 *
 * const bias = toRawTensor({ dtype: "f32", shape: [2], data: new Float32Array([1, 2]) });
 * const header = encodeSafetensorsHeader(new Map([["bias", bias]]));
 * assertEquals([...header, ...bias.data], [...encodeSafetensors(new Map([["bias", bias]]))]);
 * ```
 *
 * @param tensors The types and shapes by name, in the order in which the tensors are written.
 * @param metadata Free text by name.
 * @returns The bytes; their number is a multiple of 8.
 * @throws {SafetensorsError} If a name is reserved, or the header is longer than the format's bound.
 */
export function encodeSafetensorsHeader(
  tensors: ReadonlyMap<string, RawTensorType>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const entries: [string, unknown][] = Object.keys(metadata).length > 0
    ? [[METADATA, metadata]]
    : [];
  let dataBytes = 0;
  for (const [name, { dtype, shape }] of tensors) {
    if (name === METADATA) throw new SafetensorsError(`${METADATA} is reserved: rename the tensor`);
    const size = byteSize(name, dtype, shape);
    entries.push([name, { dtype, shape, data_offsets: [dataBytes, dataBytes + size] }]);
    dataBytes += size;
  }
  const members = entries.map(([name, entry]) =>
    `${JSON.stringify(name)}:${JSON.stringify(entry)}`
  );
  const header = new TextEncoder().encode(`{${members.join(",")}}`);
  const headerBytes = Math.ceil(header.length / LENGTH_BYTES) * LENGTH_BYTES;
  if (headerBytes > MAX_HEADER_BYTES) {
    throw new SafetensorsError(
      `the header takes ${headerBytes} bytes, more than the format's ${MAX_HEADER_BYTES}: ` +
        `write fewer tensors or less metadata`,
    );
  }
  const bytes = new Uint8Array(LENGTH_BYTES + headerBytes).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true);
  bytes.set(header, LENGTH_BYTES);
  return bytes;
}

/**
 * The bytes of a safetensors file. The same tensors in the same order give the same bytes; the data
 * starts at a multiple of 8.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeSafetensors, encodeSafetensors, toRawTensor } from "@unitune/core";
 *
 * const bias = toRawTensor({ dtype: "f32", shape: [2], data: new Float32Array([1, 2]) });
 * const bytes = encodeSafetensors(new Map([["bias", bias]]), { format: "pt" });
 * const { tensors, metadata } = decodeSafetensors(bytes);
 * assertEquals(tensors.get("bias"), bias);
 * assertEquals(metadata, { format: "pt" });
 * ```
 *
 * @param tensors The tensors by name, in the order in which they are written.
 * @param metadata Free text by name.
 * @returns The file's bytes.
 * @throws {SafetensorsError} If a tensor's data does not fit its shape, or a name is reserved.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, RawTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const header = encodeSafetensorsHeader(tensors, metadata);
  let length = header.length;
  for (const [name, { dtype, shape, data }] of tensors) {
    const size = byteSize(name, dtype, shape);
    if (data.byteLength !== size) {
      throw new SafetensorsError(
        `${tensorNamed(name)}: ${dtype} ${abridged(showShape(shape), 80)} takes ${size} bytes, ` +
          `but its data has ${data.byteLength}`,
      );
    }
    length += size;
  }
  const bytes = new Uint8Array(length);
  bytes.set(header);
  let at = header.length;
  for (const { data } of tensors.values()) {
    bytes.set(data, at);
    at += data.byteLength;
  }
  return bytes;
}

/** The place of a tensor in a file. */
export interface TensorPlace {
  /** The element type. */
  readonly dtype: RawDType;
  /** The sizes of the axes; `[]` is a scalar. */
  readonly shape: Shape;
  /** The first of its bytes, from the start of the file. */
  readonly begin: number;
  /** The byte after its last one. */
  readonly end: number;
}

/** The header of a file. */
export interface SafetensorsHeader {
  /** The places of the tensors by name, in the order of their bytes. */
  readonly tensors: ReadonlyMap<string, TensorPlace>;
  /** Free text by name; empty where the file has none. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * The number of bytes at the start of a safetensors file that hold its header, from the first 8 of
 * them: so a file can be read tensor by tensor.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { encodeSafetensors, safetensorsHeaderLength } from "@unitune/core";
 *
 * assertEquals(safetensorsHeaderLength(encodeSafetensors(new Map())), 16);
 * ```
 *
 * @param start The first 8 bytes of a file, or more.
 * @returns The length of the header, these 8 bytes included.
 * @throws {SafetensorsError} If there are fewer bytes, or they are no length of a header.
 */
export function safetensorsHeaderLength(start: Uint8Array): number {
  if (start.length < LENGTH_BYTES) {
    throw new SafetensorsError(
      `truncated: ${start.length} bytes, but the header's length alone takes ${LENGTH_BYTES}`,
    );
  }
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) {
    throw new SafetensorsError(
      `the header claims ${length} bytes, more than the format's ${MAX_HEADER_BYTES}: ` +
        `this is no safetensors file, or a corrupt one`,
    );
  }
  return LENGTH_BYTES + Number(length);
}

/**
 * The header of a safetensors file, without its tensors.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import {
 *   encodeSafetensors,
 *   readSafetensorsHeader,
 *   safetensorsHeaderLength,
 *   toRawTensor,
 * } from "@unitune/core";
 *
 * const bias = toRawTensor({ dtype: "f32", shape: [2], data: new Float32Array([1, 2]) });
 * const file = encodeSafetensors(new Map([["bias", bias]]));
 * const start = file.subarray(0, safetensorsHeaderLength(file));
 * const place = readSafetensorsHeader(start, file.length).tensors.get("bias");
 * assertEquals(file.subarray(place?.begin, place?.end), bias.data);
 * ```
 *
 * @param start The bytes of the header; see {@linkcode safetensorsHeaderLength}.
 * @param fileLength The number of bytes of the whole file.
 * @returns The places of the tensors and the metadata.
 * @throws {SafetensorsError} If the header is truncated, corrupt or made to mislead, or the file is
 * not as long as it says.
 */
export function readSafetensorsHeader(start: Uint8Array, fileLength: number): SafetensorsHeader {
  const dataStart = safetensorsHeaderLength(start);
  if (dataStart > start.length) {
    throw new SafetensorsError(
      `truncated: the header claims ${dataStart - LENGTH_BYTES} bytes, but ` +
        `${start.length - LENGTH_BYTES} follow`,
    );
  }
  const dataLength = fileLength - dataStart;
  const places: (TensorPlace & { readonly name: string })[] = [];
  let metadata: Readonly<Record<string, string>> = {};
  for (
    const [name, entry] of Object.entries(parseHeader(start.subarray(LENGTH_BYTES, dataStart)))
  ) {
    if (name === METADATA) metadata = checkedMetadata(entry);
    else places.push({ name, ...checkedEntry(name, entry, dataLength) });
  }

  // An empty tensor shares its offset with the next one, and comes before it.
  places.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  for (const { name, begin, end } of places) {
    if (begin !== covered) {
      const fault = begin < covered ? "overlaps the tensor before it" : "leaves a hole before it";
      throw new SafetensorsError(
        `${tensorNamed(name)} ${fault}: it begins at byte ${begin} of the data, not at ${covered}`,
      );
    }
    covered = end;
  }
  if (covered !== dataLength) {
    throw new SafetensorsError(
      `${dataLength - covered} trailing bytes belong to no tensor: the tensors end at byte ` +
        `${covered} of the data's ${dataLength}`,
    );
  }
  return {
    tensors: new Map(
      places.map((
        { name, dtype, shape, begin, end },
      ) => [name, { dtype, shape, begin: dataStart + begin, end: dataStart + end }]),
    ),
    metadata,
  };
}

/**
 * The tensors of a safetensors file, as views of its bytes.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { decodeSafetensors, SafetensorsError } from "@unitune/core";
 *
 * assertThrows(() => decodeSafetensors(new Uint8Array(3)), SafetensorsError, "truncated");
 * ```
 *
 * @param bytes The file's bytes.
 * @returns The tensors and the metadata.
 * @throws {SafetensorsError} If the bytes are truncated, corrupt or made to mislead.
 */
export function decodeSafetensors(bytes: Uint8Array): Safetensors {
  const { tensors, metadata } = readSafetensorsHeader(bytes, bytes.length);
  return {
    tensors: new Map(
      [...tensors].map((
        [name, { dtype, shape, begin, end }],
      ) => [name, { dtype, shape, data: bytes.subarray(begin, end) }]),
    ),
    metadata,
  };
}

/**
 * A tensor's elements as a file holds them: `f32` as `F32`, `f64` as `F64`, `i32` as `I32`, `u32`
 * as `U32`, `bool` as `BOOL`, `bf16` as `BF16`, `f16` as `F16`; or `f32` as `BF16`, rounded to the
 * nearest, ties to even. `bf16` and `f16` can be written as f32 can.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { toRawTensor } from "@unitune/core";
 *
 * const mask = toRawTensor({ dtype: "bool", shape: [3], data: new Uint32Array([1, 0, 1]) });
 * assertEquals(mask, { dtype: "BOOL", shape: [3], data: new Uint8Array([1, 0, 1]) });
 * const weight = { dtype: "f32", shape: [1], data: new Float32Array([1.001]) } as const;
 * assertEquals(toRawTensor(weight, "BF16").data, new Uint8Array([0x80, 0x3f]));
 * ```
 *
 * @param tensor The elements, with their type and shape.
 * @param dtype The element type in the file (default: the one that holds the elements exactly).
 * @returns Their bytes; a copy.
 * @throws {SafetensorsError} If the array is not the one that holds the element type, or elements
 * of that type are not written so.
 */
export function toRawTensor(
  { dtype: own, shape, data }: TensorData,
  dtype: RawDType = exactType(own),
): RawTensor {
  if (data.constructor !== allocate(own, 0).constructor) {
    throw new SafetensorsError(`${data.constructor.name} does not hold elements of type ${own}`);
  }
  if (dtype === "BF16" && data instanceof Float32Array) {
    return { dtype, shape, data: new Uint8Array(floatsToBfloats(data).buffer) };
  }
  if (isStorage(own) && data instanceof Uint16Array && dtype !== exactType(own)) {
    return toRawTensor({ dtype: "f32", shape, data: widened(own, data) }, dtype);
  }
  if (dtype !== exactType(own)) {
    throw new SafetensorsError(`elements of type ${own} are not written as ${dtype}`);
  }
  return { dtype, shape, data: own === "bool" ? Uint8Array.from(data) : bytesOf(data) };
}

/**
 * The element type of a file that holds a tensor's elements exactly.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { exactType } from "@unitune/core";
 *
 * assertEquals([exactType("f32"), exactType("bool")], ["F32", "BOOL"]);
 * ```
 *
 * @param dtype The element type of a tensor.
 * @returns The element type in a file.
 */
export function exactType(dtype: DType): RawDType {
  return rawDTypes[dtype];
}

/** The way in which elements of a file become elements of a tensor. */
export interface FromRawOptions {
  /** Whether `F16` and `BF16` stay elements of 16 bits (default false: they are widened to f32). */
  readonly keepsStorage?: boolean;
}

/**
 * A raw tensor's elements, widened without loss to a type that tensors have: `F16` and `BF16` to
 * `f32`, unless they are kept; `I8` and `I16` to `i32`; `U8` and `U16` to `u32`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fromRawTensor } from "@unitune/core";
 *
 * const half = fromRawTensor({ dtype: "BF16", shape: [1], data: new Uint8Array([0x80, 0x3f]) });
 * assertEquals(half, { dtype: "f32", shape: [1], data: new Float32Array([1]) });
 * ```
 *
 * @param raw The tensor as a file holds it.
 * @param options Whether elements of 16 bits are kept.
 * @returns Its elements; a copy.
 * @throws {SafetensorsError} If no type of tensor holds the elements without loss.
 */
export function fromRawTensor(
  { dtype, shape, data }: RawTensor,
  { keepsStorage = false }: FromRawOptions = {},
): TensorData {
  const { to, unpack } = (keepsStorage ? kept[dtype] : undefined) ?? unpackerOf(dtype);
  return { dtype: to, shape, data: unpack(bytesOf(data).buffer) };
}

/**
 * The type of the elements that {@linkcode fromRawTensor} gives.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { widenedType } from "@unitune/core";
 *
 * assertEquals([widenedType("BF16"), widenedType("U8")], ["f32", "u32"]);
 * assertEquals(widenedType("BF16", { keepsStorage: true }), "bf16");
 * ```
 *
 * @param dtype The element type in a file.
 * @param options Whether elements of 16 bits stay so.
 * @returns The element type of a tensor.
 * @throws {SafetensorsError} If no type of tensor holds the elements without loss.
 */
export function widenedType(
  dtype: RawDType,
  { keepsStorage = false }: FromRawOptions = {},
): DType {
  return ((keepsStorage ? kept[dtype] : undefined) ?? unpackerOf(dtype)).to;
}

const rawDTypes = {
  f32: "F32",
  f64: "F64",
  i32: "I32",
  u32: "U32",
  bool: "BOOL",
  bf16: "BF16",
  f16: "F16",
} as const satisfies Record<DType, RawDType>;

/** Elements of a file as elements of a tensor of a type. */
interface Unpacker {
  readonly to: DType;
  readonly unpack: (bytes: ArrayBuffer) => TypedArray;
}

const unpackers: { readonly [D in RawDType]?: Unpacker } = {
  F32: { to: "f32", unpack: (bytes) => new Float32Array(bytes) },
  F64: { to: "f64", unpack: (bytes) => new Float64Array(bytes) },
  I32: { to: "i32", unpack: (bytes) => new Int32Array(bytes) },
  U32: { to: "u32", unpack: (bytes) => new Uint32Array(bytes) },
  BOOL: {
    to: "bool",
    unpack: (bytes) => Uint32Array.from(new Uint8Array(bytes), (byte) => byte === 0 ? 0 : 1),
  },
  F16: { to: "f32", unpack: (bytes) => halvesToFloats(new Uint16Array(bytes)) },
  BF16: { to: "f32", unpack: (bytes) => bfloatsToFloats(new Uint16Array(bytes)) },
  I16: { to: "i32", unpack: (bytes) => Int32Array.from(new Int16Array(bytes)) },
  I8: { to: "i32", unpack: (bytes) => Int32Array.from(new Int8Array(bytes)) },
  U16: { to: "u32", unpack: (bytes) => Uint32Array.from(new Uint16Array(bytes)) },
  U8: { to: "u32", unpack: (bytes) => Uint32Array.from(new Uint8Array(bytes)) },
};

const halves = (bytes: ArrayBuffer): TypedArray => new Uint16Array(bytes);

/** Elements of 16 bits as they are. */
const kept: { readonly [D in RawDType]?: Unpacker } = {
  F16: { to: "f16", unpack: halves },
  BF16: { to: "bf16", unpack: halves },
};

function unpackerOf(dtype: RawDType): Unpacker {
  const unpacker = unpackers[dtype];
  if (unpacker !== undefined) return unpacker;
  throw new SafetensorsError(
    `elements of type ${dtype} have no type of tensor that holds them: convert them to one of ` +
      `${Object.keys(unpackers).join(", ")}`,
  );
}

/** A copy of an array's bytes, at the start of a buffer of its own. */
function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint8Array(buffer, byteOffset, byteLength));
}

type JsonObject = Readonly<Record<string, unknown>>;
type Offsets = readonly [begin: number, end: number];

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isRawDType(value: unknown): value is RawDType {
  return typeof value === "string" && Object.hasOwn(itemSizes, value);
}

function isNatural(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isShape(value: unknown): value is Shape {
  return Array.isArray(value) && value.every(isNatural);
}

function isOffsets(value: unknown): value is Offsets {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [begin, end]: readonly unknown[] = value;
  return isNatural(begin) && isNatural(end) && begin <= end;
}

function isTextRecord(value: unknown): value is Readonly<Record<string, string>> {
  return isObject(value) && Object.values(value).every((text) => typeof text === "string");
}

/** A field of the header, which may be missing. */
function shown(value: unknown): string {
  return value === undefined ? "nothing" : quoted(value);
}

function tensorNamed(name: string): string {
  return `tensor ${quoted(name)}`;
}

/** The limits of a header: more than any file has, and less than would fill the memory. */
const MOST = { depth: 8, listed: 1_000, members: 4_000_000 } as const;

/**
 * Refuses a header that would take much more memory than its own size: its members, the elements of
 * each list and the depth are counted before it is parsed.
 */
function refuseCrowded(bytes: Uint8Array): void {
  // Elements so far of each open list or object.
  const open: { readonly isList: boolean; commas: number }[] = [];
  let members = 0;
  let isQuoted = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (isQuoted) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) isQuoted = false;
      continue;
    }
    if (byte === QUOTE) isQuoted = true;
    else if (byte === BRACE || byte === BRACKET) {
      open.push({ isList: byte === BRACKET, commas: 0 });
      members++;
    } else if (byte === END_OF_BRACE || byte === END_OF_BRACKET) open.pop();
    else if (byte === COMMA) {
      members++;
      const inner = open.at(-1);
      if (inner?.isList && ++inner.commas >= MOST.listed) {
        throw new SafetensorsError(`the header has a list of more than ${MOST.listed} elements`);
      }
    }
    if (open.length > MOST.depth) {
      throw new SafetensorsError(
        `the header is not JSON that tells of tensors: it is nested more than ${MOST.depth} deep`,
      );
    }
    if (members > MOST.members) {
      throw new SafetensorsError(`the header has more than ${MOST.members} members`);
    }
  }
}

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [BRACE, END_OF_BRACE, BRACKET, END_OF_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d];

function parseHeader(bytes: Uint8Array): JsonObject {
  refuseCrowded(bytes);
  let json: string;
  let header: unknown;
  try {
    json = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(json);
  } catch (cause) {
    throw new SafetensorsError("the header is not JSON in UTF-8: the file is corrupt", { cause });
  }
  if (!isObject(header)) {
    throw new SafetensorsError(`the header is ${quoted(header)}, not an object`);
  }
  const repeated = repeatedKey(json);
  if (repeated !== undefined) {
    throw new SafetensorsError(`the header has the key ${quoted(repeated)} twice in one object`);
  }
  return header;
}

/** A key that an object within valid JSON has twice; parsing silently keeps the last one. */
function repeatedKey(json: string): string | undefined {
  const openObjects: Set<string>[] = [];
  for (let i = 0; i < json.length; i++) {
    const char = json[i];
    if (char === "{") openObjects.push(new Set());
    else if (char === "}") openObjects.pop();
    else if (char === '"') {
      const start = i++;
      while (json[i] !== '"') i += json[i] === "\\" ? 2 : 1;
      let next = i + 1;
      while (" \t\r\n".includes(json[next] ?? ":")) next++;
      if (json[next] !== ":") continue;
      const key: string = JSON.parse(json.slice(start, i + 1));
      const keys = openObjects.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
}

function checkedMetadata(value: unknown): Readonly<Record<string, string>> {
  if (isTextRecord(value)) return value;
  throw new SafetensorsError(`${METADATA} is ${quoted(value)}, not an object of strings`);
}

/** A member of the header, whose offsets count from the start of the data. */
function checkedEntry(name: string, entry: unknown, dataLength: number): TensorPlace {
  const where = tensorNamed(name);
  if (!isObject(entry)) throw new SafetensorsError(`${where} is ${quoted(entry)}, not an object`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isRawDType(dtype)) {
    throw new SafetensorsError(
      `${where}: unknown dtype ${shown(dtype)}, expected one of ${
        Object.keys(itemSizes).join(", ")
      }`,
    );
  }
  if (!isShape(shape)) {
    throw new SafetensorsError(`${where}: shape ${shown(shape)} is not a list of sizes`);
  }
  if (!isOffsets(offsets)) {
    throw new SafetensorsError(
      `${where}: data_offsets ${shown(offsets)} is not a begin and an end after it`,
    );
  }
  const [begin, end] = offsets;
  if (end > dataLength) {
    throw new SafetensorsError(
      `${where} ends at byte ${end}, but the data has ${dataLength}: ` +
        `the file is truncated or corrupt`,
    );
  }
  const size = byteSize(name, dtype, shape);
  if (end - begin !== size) {
    throw new SafetensorsError(
      `${where}: ${dtype} ${abridged(showShape(shape), 80)} takes ${size} bytes, ` +
        `but data_offsets ${quoted(offsets)} hold ${end - begin}`,
    );
  }
  return { dtype, shape, begin, end };
}

/** Bytes that a tensor takes; the error names it. */
function byteSize(name: string, dtype: RawDType, shape: Shape): number {
  try {
    return rawByteLength({ dtype, shape });
  } catch (cause) {
    if (!(cause instanceof SafetensorsError)) throw cause;
    throw new SafetensorsError(`${tensorNamed(name)}: ${cause.message}`, { cause });
  }
}
