import { assert, assertEquals, assertInstanceOf, assertNotEquals, assertThrows } from "@std/assert";
import {
  decodeSafetensors,
  encodeSafetensors,
  fromRawTensor,
  type RawDType,
  type RawTensor,
  SafetensorsError,
  toRawTensor,
  type TypedArray,
} from "@unitune/core";
import fc from "fast-check";

const itemSizes: Readonly<Record<RawDType, number>> = {
  ...{ BOOL: 1, U8: 1, I8: 1, F8_E4M3: 1, F8_E5M2: 1 },
  ...{ U16: 2, I16: 2, F16: 2, BF16: 2 },
  ...{ U32: 4, I32: 4, F32: 4 },
  ...{ U64: 8, I64: 8, F64: 8 },
};

const rawDType: fc.Arbitrary<RawDType> = fc.constantFrom(
  ...["BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "U16", "I16", "F16", "BF16"] as const,
  ...["U32", "I32", "F32", "U64", "I64", "F64"] as const,
);

const rawTensor: fc.Arbitrary<RawTensor> = fc
  .record({ dtype: rawDType, shape: fc.array(fc.nat(3), { maxLength: 3 }) })
  .chain(({ dtype, shape }) => {
    const length = shape.reduce((size, axis) => size * axis, itemSizes[dtype]);
    return fc.uint8Array({ minLength: length, maxLength: length })
      .map((data) => ({ dtype, shape, data }));
  });

// V8 can misread a key that is written with escapes (https://github.com/nodejs/node/issues/63785).
const nameOf = (text: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  text.filter((name) => !JSON.stringify(name).includes("\\"));

const tensorName = nameOf(fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("wte.weight", "__proto__", "constructor", "7", "{}:,", "\u2028"),
));

const file = fc.record({
  tensors: fc.array(fc.tuple(tensorName, rawTensor), { maxLength: 5 })
    .map((entries) => new Map(entries)),
  metadata: fc.dictionary(nameOf(fc.string()), fc.string(), { maxKeys: 3, noNullPrototype: true }),
});

/** A file whose header is exactly this text. */
function fileOf(header: string | Uint8Array, data: Uint8Array = new Uint8Array()): Uint8Array {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

Deno.test("what is encoded is decoded", () => {
  fc.assert(fc.property(file, ({ tensors, metadata }) => {
    const decoded = decodeSafetensors(encodeSafetensors(tensors, metadata));
    assertEquals(decoded, { tensors, metadata });
  }));
});

Deno.test("data is in the order given, and equal files have equal bytes", () => {
  fc.assert(fc.property(file, ({ tensors, metadata }) => {
    const bytes = encodeSafetensors(tensors, metadata);
    assertEquals(encodeSafetensors(new Map(tensors), { ...metadata }), bytes);
    const data = [...tensors.values()].flatMap((tensor) => [...tensor.data]);
    assertEquals([...bytes.subarray(bytes.length - data.length)], data);
  }));
});

Deno.test("the layout is the published one", () => {
  const tensors = new Map<string, RawTensor>([
    ["b", { dtype: "F32", shape: [1, 1], data: new Uint8Array([0, 0, 128, 63]) }],
    ["a", { dtype: "U8", shape: [2], data: new Uint8Array([7, 8]) }],
  ]);
  const header = '{"__metadata__":{"format":"pt"},' +
    '"b":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},' +
    '"a":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}}';
  const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
  assertNotEquals(padded, header);
  const expected = fileOf(padded, new Uint8Array([0, 0, 128, 63, 7, 8]));
  assertEquals(encodeSafetensors(tensors, { format: "pt" }), expected);
});

Deno.test("other writers' files are read: no padding, fields and tensors in any order", () => {
  const bytes = fileOf(
    ' {"b": {"data_offsets": [1, 2], "shape": [], "dtype": "U8", "note": 0},' +
      ' "empty": {"dtype": "F32", "shape": [0, 4], "data_offsets": [1, 1]},' +
      ' "a": {"dtype": "BOOL", "shape": [1], "data_offsets": [0, 1]}}\n ',
    new Uint8Array([1, 9]),
  );
  const { tensors, metadata } = decodeSafetensors(bytes);
  assertEquals([...tensors.keys()], ["a", "empty", "b"]);
  assertEquals(tensors.get("b"), { dtype: "U8", shape: [], data: new Uint8Array([9]) });
  assertEquals(metadata, {});
});

Deno.test("tensors are views of the file, wherever it lies in its buffer", () => {
  const file = encodeSafetensors(
    new Map([["a", toRawTensor({ dtype: "f32", shape: [], data: new Float32Array([2.5]) })]]),
  );
  const shifted = new Uint8Array(file.length + 3);
  shifted.set(file, 3);
  const tensor = decodeSafetensors(shifted.subarray(3)).tensors.get("a");
  assert(tensor);
  assert(tensor.data.buffer === shifted.buffer);
  assertEquals(fromRawTensor(tensor).data, new Float32Array([2.5]));
});

const u8 = (begin: number, end: number): string =>
  `{"dtype":"U8","shape":[${end - begin}],"data_offsets":[${begin},${end}]}`;
const withLength = (length: bigint, following: number): Uint8Array => {
  const bytes = new Uint8Array(8 + following);
  new DataView(bytes.buffer).setBigUint64(0, length, true);
  return bytes;
};

const hostile: readonly { name: string; bytes: Uint8Array; error: string }[] = [
  { name: "an empty file", bytes: new Uint8Array(), error: "truncated: 0 bytes" },
  { name: "half a length", bytes: new Uint8Array(7), error: "truncated: 7 bytes" },
  { name: "no header", bytes: fileOf(""), error: "not JSON" },
  { name: "a length beyond the file", bytes: withLength(9n, 8), error: "truncated" },
  {
    name: "a length of 100 MB and one byte",
    bytes: withLength(100_000_001n, 8),
    error: "more than the format's 100000000",
  },
  {
    name: "the largest length",
    bytes: withLength(2n ** 64n - 1n, 8),
    error: "claims 18446744073709551615 bytes",
  },
  { name: "a header cut short", bytes: fileOf('{"a":'), error: "not JSON" },
  { name: "invalid UTF-8", bytes: fileOf(new Uint8Array([0xff, 0xfe])), error: "not JSON" },
  { name: "a byte order mark", bytes: fileOf("\ufeff{}"), error: "not JSON" },
  { name: "deep nesting", bytes: fileOf("[".repeat(1e6)), error: "not JSON" },
  { name: "a header that is null", bytes: fileOf("null"), error: "not an object" },
  { name: "a header that is a list", bytes: fileOf("[]"), error: "not an object" },
  { name: "a header that is a number", bytes: fileOf("1"), error: "not an object" },
  { name: "an entry that is null", bytes: fileOf('{"a":null}'), error: '"a" is null' },
  { name: "an entry that is a list", bytes: fileOf('{"a":[]}'), error: '"a" is []' },
  { name: "an empty entry", bytes: fileOf('{"a":{}}'), error: "unknown dtype nothing" },
  {
    name: "an unknown dtype",
    bytes: fileOf('{"a":{"dtype":"F31","shape":[],"data_offsets":[0,4]}}', new Uint8Array(4)),
    error: 'unknown dtype "F31"',
  },
  {
    name: "a dtype named after an object's property",
    bytes: fileOf('{"a":{"dtype":"toString","shape":[],"data_offsets":[0,0]}}'),
    error: 'unknown dtype "toString"',
  },
  ...["null", "3", "[-1]", "[1.5]", '["1"]', "[1e400]", "[9007199254740992]", "[[1]]"].map(
    (shape) => ({
      name: `the shape ${shape}`,
      bytes: fileOf(`{"a":{"dtype":"U8","shape":${shape},"data_offsets":[0,0]}}`),
      error: "is not a list of sizes",
    }),
  ),
  ...["null", "[0]", "[0,0,0]", "[-1,0]", "[1,0]", "[0,0.5]", '["0","0"]'].map((offsets) => ({
    name: `the offsets ${offsets}`,
    bytes: fileOf(`{"a":{"dtype":"U8","shape":[0],"data_offsets":${offsets}}}`),
    error: "is not a begin and an end after it",
  })),
  {
    name: "offsets out of range",
    bytes: fileOf(`{"a":${u8(0, 5)}}`, new Uint8Array(4)),
    error: "ends at byte 5, but the data has 4",
  },
  {
    name: "a shape that its bytes do not fit",
    bytes: fileOf('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', new Uint8Array(4)),
    error: "takes 8 bytes, but data_offsets [0,4] hold 4",
  },
  {
    name: "a shape that overflows",
    bytes: fileOf('{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}'),
    error: "overflows",
  },
  {
    name: "a shape that overflows to nothing",
    bytes: fileOf('{"a":{"dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}'),
    error: "overflows",
  },
  {
    name: "overlapping tensors",
    bytes: fileOf(`{"a":${u8(0, 3)},"b":${u8(2, 4)}}`, new Uint8Array(4)),
    error: '"b" overlaps',
  },
  {
    name: "two tensors of the same bytes",
    bytes: fileOf(`{"a":${u8(0, 4)},"b":${u8(0, 4)}}`, new Uint8Array(4)),
    error: "overlaps",
  },
  {
    name: "a hole between tensors",
    bytes: fileOf(`{"a":${u8(0, 1)},"b":${u8(2, 4)}}`, new Uint8Array(4)),
    error: '"b" leaves a hole',
  },
  {
    name: "a hole before the first tensor",
    bytes: fileOf(`{"a":${u8(1, 4)}}`, new Uint8Array(4)),
    error: '"a" leaves a hole',
  },
  {
    name: "trailing bytes",
    bytes: fileOf(`{"a":${u8(0, 3)}}`, new Uint8Array(4)),
    error: "1 trailing bytes",
  },
  {
    name: "the same name twice",
    bytes: fileOf(`{"a":${u8(0, 4)},"a":${u8(0, 4)}}`, new Uint8Array(4)),
    error: 'key "a" twice',
  },
  {
    name: "the same name twice, once escaped",
    bytes: fileOf(`{"a":${u8(0, 4)}, "\\u0061" :${u8(0, 4)}}`, new Uint8Array(4)),
    error: 'key "a" twice',
  },
  {
    name: "the same field twice",
    bytes: fileOf('{"a":{"dtype":"U8","dtype":"I8","shape":[0],"data_offsets":[0,0]}}'),
    error: 'key "dtype" twice',
  },
  { name: "metadata that is text", bytes: fileOf('{"__metadata__":"pt"}'), error: "not an object" },
  {
    name: "metadata with a number",
    bytes: fileOf('{"__metadata__":{"a":1}}'),
    error: "not an object of strings",
  },
];

for (const { name, bytes, error } of hostile) {
  Deno.test(`refused: ${name}`, () => {
    assertThrows(() => decodeSafetensors(bytes), SafetensorsError, error);
  });
}

Deno.test("a message stays short however long the name", () => {
  const bytes = fileOf(JSON.stringify({ ["x".repeat(1e6)]: null }));
  const error = assertThrows(() => decodeSafetensors(bytes), SafetensorsError);
  assert(error.message.length < 500);
});

Deno.test("mutated files are decoded or refused, never worse", () => {
  const mutation = fc.oneof(
    fc.record({ kind: fc.constant("set" as const), at: fc.nat(), byte: fc.nat(255) }),
    fc.record({ kind: fc.constant("cut" as const), at: fc.nat() }),
    fc.record({ kind: fc.constant("repeat" as const), at: fc.nat() }),
  );
  const mutated = fc.tuple(file, fc.array(mutation, { minLength: 1, maxLength: 4 })).map(
    ([{ tensors, metadata }, mutations]) =>
      mutations.reduce((bytes, mutation) => {
        if (bytes.length === 0) return bytes;
        const at = mutation.at % bytes.length;
        switch (mutation.kind) {
          case "set":
            return bytes.with(at, mutation.byte);
          case "cut":
            return bytes.slice(0, at);
          case "repeat":
            return Uint8Array.of(...bytes.slice(0, at), ...bytes.slice(Math.floor(at / 2)));
        }
      }, new Uint8Array(encodeSafetensors(tensors, metadata))),
  );
  let refused = 0;
  let decoded = 0;
  fc.assert(
    fc.property(mutated, (bytes) => {
      try {
        const { tensors, metadata } = decodeSafetensors(bytes);
        assertEquals(decodeSafetensors(encodeSafetensors(tensors, metadata)).tensors, tensors);
        decoded++;
      } catch (error) {
        assertInstanceOf(error, SafetensorsError);
        refused++;
      }
    }),
    { numRuns: 1000, seed: 7 },
  );
  assert(refused > 100 && decoded > 10, `${refused} refused, ${decoded} decoded`);
});

Deno.test("elements survive the file", () => {
  const floats = [0, -0, 1.5, -1e-45, 3.4e38, Infinity, NaN];
  for (
    const tensor of [
      { dtype: "f32", shape: [7], data: new Float32Array(floats) },
      { dtype: "f64", shape: [7, 1], data: new Float64Array(floats) },
      { dtype: "i32", shape: [3], data: new Int32Array([0, -(2 ** 31), 2 ** 31 - 1]) },
      { dtype: "u32", shape: [2], data: new Uint32Array([0, 2 ** 32 - 1]) },
      { dtype: "bool", shape: [1, 2], data: new Uint32Array([0, 1]) },
    ] as const
  ) {
    const read = fromRawTensor(toRawTensor(tensor));
    assertEquals(read, tensor);
    assert(read.data.every((value, i) => Object.is(value, tensor.data[i])));
  }
});

const widened: readonly { raw: RawTensor; data: TypedArray }[] = [
  {
    // 1, -2, the largest, the least normal, the least subnormal, infinity.
    raw: halves("F16", [0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x7c00]),
    data: new Float32Array([1, -2, 65504, 2 ** -14, 2 ** -24, Infinity]),
  },
  {
    // 1, -2, pi to 8 bits, the largest, the least subnormal, minus infinity.
    raw: halves("BF16", [0x3f80, 0xc000, 0x4049, 0x7f7f, 0x0001, 0xff80]),
    data: new Float32Array([1, -2, 3.140625, (2 - 2 ** -7) * 2 ** 127, 2 ** -133, -Infinity]),
  },
  { raw: halves("I16", [0x8000, 0xffff]), data: new Int32Array([-32768, -1]) },
  { raw: halves("U16", [0x8000, 0xffff]), data: new Uint32Array([32768, 65535]) },
  {
    raw: { dtype: "I8", shape: [2], data: new Uint8Array([0x80, 0xff]) },
    data: new Int32Array([-128, -1]),
  },
  {
    raw: { dtype: "U8", shape: [2], data: new Uint8Array([0x80, 0xff]) },
    data: new Uint32Array([128, 255]),
  },
  {
    raw: { dtype: "BOOL", shape: [3], data: new Uint8Array([0, 1, 255]) },
    data: new Uint32Array([0, 1, 1]),
  },
];

function halves(dtype: RawDType, bits: readonly number[]): RawTensor {
  return { dtype, shape: [bits.length], data: new Uint8Array(new Uint16Array(bits).buffer) };
}

for (const { raw, data } of widened) {
  Deno.test(`${raw.dtype} is widened without loss`, () => {
    assertEquals(fromRawTensor(raw).data, data);
  });
}

Deno.test("elements that no tensor holds are refused", () => {
  for (const dtype of ["I64", "U64", "F8_E4M3", "F8_E5M2"] as const) {
    const raw = { dtype, shape: [1], data: new Uint8Array(itemSizes[dtype]) };
    assertThrows(() => fromRawTensor(raw), SafetensorsError, dtype);
  }
});

Deno.test("what does not fit together is not written", () => {
  const data = new Uint8Array(3);
  assertThrows(
    () => encodeSafetensors(new Map([["a", { dtype: "U8", shape: [4], data }]])),
    SafetensorsError,
    'tensor "a": U8 [4] takes 4 bytes, but its data has 3',
  );
  assertThrows(
    () => encodeSafetensors(new Map([["a", { dtype: "U8", shape: [-3, -1], data }]])),
    SafetensorsError,
    "overflows",
  );
  assertThrows(
    () => encodeSafetensors(new Map([["__metadata__", { dtype: "U8", shape: [3], data }]])),
    SafetensorsError,
    "reserved",
  );
  assertThrows(
    () => encodeSafetensors(new Map(), { text: "a".repeat(100_000_000) }),
    SafetensorsError,
    "the header takes 100000032 bytes, more than the format's 100000000",
  );
  assertThrows(
    () => toRawTensor({ dtype: "f64", shape: [1], data: new Float32Array(1) }),
    SafetensorsError,
    "Float32Array does not hold elements of type f64",
  );
});

Deno.test("safetensors: each of the 65,536 halves is widened exactly, without Float16Array", () => {
  const halves = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits);
  const { data } = fromRawTensor({
    dtype: "F16",
    shape: [halves.length],
    data: new Uint8Array(halves.buffer),
  });
  const expected = new Float16Array(halves.buffer);
  const wrong = [...data].findIndex((value, bits) => !Object.is(value, expected[bits]));
  assertEquals(wrong, -1, `half ${wrong} is ${data[wrong]}, not ${expected[wrong]}`);
  // Subnormal, the largest, infinite, not a number.
  assertEquals([...data.subarray(0x7bff, 0x7c02), data[1]], [65504, Infinity, NaN, 2 ** -24]);
});

Deno.test("a header that would fill the memory is refused before it is parsed", () => {
  const crowded: Record<string, string> = {
    [`{"a":[${"[],".repeat(5e5)}[]]}`]: "a list of more than 1000 elements",
    [`{"a":${"[".repeat(1e5)}${"]".repeat(1e5)}}`]: "nested more than 8 deep",
    [`{${'"a":[],'.repeat(2.1e6)}"b":0}`]: "more than 4000000 members",
  };
  for (const [header, message] of Object.entries(crowded)) {
    assertThrows(() => decodeSafetensors(fileOf(header)), SafetensorsError, message);
  }
});

Deno.test("no message about a file passes on what controls a terminal", () => {
  const evil = fc.constantFrom("\x1b]0;t\x07", "\u202e", "\0", "\x9b31m", "\n", "\u2028");
  const name = fc.tuple(fc.string(), evil, fc.string()).map((parts) => parts.join(""));
  const entry = fc.oneof(
    fc.jsonValue(),
    fc.record({ dtype: name, shape: fc.constant([1]), data_offsets: fc.constant([0, 4]) }),
    fc.record({ dtype: fc.constant("F32"), shape: fc.jsonValue(), data_offsets: fc.jsonValue() }),
  );
  fc.assert(fc.property(name, entry, (name, entry) => {
    const bytes = fileOf(JSON.stringify({ [name]: entry }));
    const { message } = assertThrows(() => decodeSafetensors(bytes), SafetensorsError);
    // deno-lint-ignore no-control-regex
    assert(!/[\x00-\x1f\x7f-\x9f\u2028-\u202e]/.test(message), JSON.stringify(message));
    assert(message.length < 500);
  }));
});
