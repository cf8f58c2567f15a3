/** Rows at ids that are data. */
import { bytesPerElement, isStorage } from "../../dtype.ts";
import type { Share } from "./body.ts";
import { demote, promote } from "./doubles.ts";
import { type CodeEmitter, dtypeOf, type Frame, type KernelOf } from "./frame.ts";
import {
  branch,
  type Code,
  countFromZero,
  countTo,
  f32,
  f32x4,
  f64x2,
  i32,
  int,
  least,
  local,
  memory,
  types,
  v128,
} from "./instructions.ts";

/** Runs `inside` with the address of each id's row, and `outside` for ids that name none. */
function eachId(
  { ids, rows, count, width }: { ids: number; rows: number; count: number; width: number },
  { locals, base }: Frame,
  inside: (round: Code, rowBytes: Code) => Code,
  outside: (round: Code) => Code,
  itemBytes: number,
  share?: Omit<Share, "loop">,
): Code {
  const [round, id] = [locals.add(types.int), locals.add(types.int)];
  const idAddress = int.add(local.get(base(ids)), int.shl(local.get(round), int.const(2)));
  const [begin, end] = share === undefined
    ? [int.const(0), int.const(count)]
    : [local.get(share.begin), local.get(share.end)];
  const body: Code = [
    local.set(id, int.load(idAddress)),
    branch(
      // Unsigned, so that negative ids are outside too.
      int.ltU(local.get(id), int.const(rows)),
      inside(local.get(round), int.mul(local.get(id), int.const(itemBytes * width))),
      outside(local.get(round)),
    ),
  ];
  return [local.set(round, begin), countTo(round, end, 1, body)];
}

/** Copies the row of each id. */
export const gather: CodeEmitter<"gather"> = (kernel, frame) => {
  const { table, output, width } = kernel;
  const { locals, base } = frame;
  const dtype = dtypeOf(frame, output);
  const itemBytes = bytesPerElement[dtype];
  const column = locals.add(types.int);
  const rowOf = (round: Code) =>
    int.add(local.get(base(output)), int.mul(round, int.const(itemBytes * width)));
  const place = (round: Code) =>
    int.add(rowOf(round), int.mul(local.get(column), int.const(itemBytes)));
  const missing = (round: Code): Code =>
    isStorage(dtype)
      ? i32.store16(place(round), i32.const(kernel.missing))
      : f32.store(place(round), f32.const(kernel.missing));
  return eachId(
    kernel,
    frame,
    (round, rowBytes) =>
      memory.copy(
        rowOf(round),
        int.add(local.get(base(table)), rowBytes),
        int.const(itemBytes * width),
      ),
    (round) => countFromZero(column, int.const(width), missing(round)),
    itemBytes,
    frame.shareOf(kernel.count, 1),
  );
};

/** Ids up to which updates are added in f32: a row's sum then has no more terms, and its own. */
const FEW_IDS = 1024;

/** Columns that are added up at once: a cache line of updates. */
const STRIP = 16;

/** Bytes of the rows in f64 that are held at once: about the size of a second cache. */
const TABLE_BYTES = 2 ** 22;

/** The rows of a strip of columns that are held at once, in f64. */
function tableOf({ rows, width }: KernelOf<"scatterAdd">): {
  readonly height: number;
  readonly rowBytes: number;
} {
  const rowBytes = 8 * Math.min(STRIP, width);
  return { height: Math.min(rows, Math.floor(TABLE_BYTES / Math.max(1, rowBytes))), rowBytes };
}

/** Bytes of scratch memory that a thread needs to add up updates. */
export function scatterScratch(kernel: KernelOf<"scatterAdd">): number {
  const { height, rowBytes } = tableOf(kernel);
  return kernel.count <= FEW_IDS ? 0 : height * rowBytes;
}

/** Begins with the table or with zeros, then adds each update to the row of its id, in order. */
const scatterFew: CodeEmitter<"scatterAdd"> = (kernel, frame) => {
  const { updates, table, output, rows, width } = kernel;
  const { locals, base } = frame;
  const [to, from, column] = [locals.add(types.int), locals.add(types.int), locals.add(types.int)];
  const whole = width - width % 4;
  const addressOf = (pointer: number) =>
    int.add(local.get(pointer), int.shl(local.get(column), int.const(2)));
  const [place, all] = [local.get(base(output)), int.const(4 * rows * width)];
  const begin = table === undefined ? memory.fill(place, 0, all) : branch(
    int.ne(local.get(base(table)), place),
    memory.copy(place, local.get(base(table)), all),
  );
  return [
    begin,
    eachId(
      kernel,
      frame,
      (round, rowBytes) => [
        local.set(to, int.add(local.get(base(output)), rowBytes)),
        local.set(from, int.add(local.get(base(updates)), int.mul(round, int.const(4 * width)))),
        countFromZero(
          column,
          int.const(whole),
          v128.store(
            addressOf(to),
            f32x4.add(v128.load(addressOf(to)), v128.load(addressOf(from))),
          ),
          4,
        ),
        Array.from({ length: width - whole }, (_, rest) =>
          f32.store(
            local.get(to),
            f32.add(
              f32.load(local.get(to), 4 * (whole + rest)),
              f32.load(local.get(from), 4 * (whole + rest)),
            ),
            4 * (whole + rest),
          )),
      ],
      () => [],
      4,
    ),
  ];
};

/** Adds columns of an update to a row in f64, four at a time, then one by one. */
function addColumns(frame: Frame, to: number, from: number, columns: number): Code {
  const x = frame.locals.add(types.v128);
  const add = (offset: number, part: Code): Code =>
    v128.store(
      local.get(to),
      f64x2.add(v128.load(local.get(to), offset), part),
      offset,
    );
  const whole = columns - columns % 4;
  return [
    Array.from({ length: whole / 4 }, (_, four) => [
      local.set(x, v128.load(local.get(from), 16 * four)),
      add(32 * four, promote(local.get(x), 0)),
      add(32 * four + 16, promote(local.get(x), 1)),
    ]),
    Array.from({ length: columns - whole }, (_, rest) => {
      const [element, offset] = [whole + rest, 8 * (whole + rest)];
      const term = f64x2.promoteLow(v128.load32Zero(local.get(from), 4 * element));
      const sum = f64x2.add(v128.load64Zero(local.get(to), offset), term);
      return v128.store64Lane(local.get(to), sum, 0, offset);
    }),
  ];
}

/** Widens columns of the table to a row in f64. */
function widenColumns(frame: Frame, from: number, to: number, columns: number): Code {
  const x = frame.locals.add(types.v128);
  const whole = columns - columns % 4;
  return [
    Array.from({ length: whole / 4 }, (_, four) => [
      local.set(x, v128.load(local.get(from), 16 * four)),
      v128.store(local.get(to), promote(local.get(x), 0), 32 * four),
      v128.store(local.get(to), promote(local.get(x), 1), 32 * four + 16),
    ]),
    Array.from({ length: columns - whole }, (_, rest) => {
      const element = whole + rest;
      const term = f64x2.promoteLow(v128.load32Zero(local.get(from), 4 * element));
      return v128.store64Lane(local.get(to), term, 0, 8 * element);
    }),
  ];
}

/** Rounds a row in f64 to columns of the output. */
function roundColumns(from: number, to: number, columns: number): Code {
  const half = (offset: number) => v128.load(local.get(from), offset);
  const whole = columns - columns % 4;
  return [
    Array.from({ length: whole / 4 }, (_, four) =>
      v128.store(
        local.get(to),
        demote(half(32 * four), half(32 * four + 16)),
        16 * four,
      )),
    Array.from({ length: columns - whole }, (_, rest) => {
      const element = whole + rest;
      const sum = f64x2.demoteZero(v128.load64Zero(local.get(from), 8 * element));
      return v128.store32Lane(local.get(to), sum, 0, 4 * element);
    }),
  ];
}

/**
 * Strips of columns, which threads share out: their rows are added up in f64, in the order of the
 * updates, as many rows at a time as the cache holds.
 */
const scatterMany: CodeEmitter<"scatterAdd"> = (kernel, frame) => {
  const { ids, updates, table, output, rows, count, width } = kernel;
  const { locals, base, scratchAddress } = frame;
  const { height, rowBytes } = tableOf(kernel);
  const integer = () => locals.add(types.int);
  const [strip, first, here, row] = [integer(), integer(), integer(), integer()];
  const [round, id, to, from] = [integer(), integer(), integer(), integer()];
  const strips = Math.ceil(width / STRIP);
  const share = frame.shareOf(strips, 1);
  const [begin, end] = share === undefined
    ? [int.const(0), int.const(strips)]
    : [local.get(share.begin), local.get(share.end)];
  const times = (index: number, bytes: number): Code => int.mul(local.get(index), int.const(bytes));
  /** The address of a row of the output or the updates, at the strip. */
  const place = (buffer: number, index: Code): Code =>
    int.add(
      int.add(local.get(base(buffer)), times(strip, 4 * STRIP)),
      int.mul(index, int.const(4 * width)),
    );
  /** Each row that is held, at its place in a buffer and in scratch memory. */
  const eachRow = (buffer: number, inside: (place: number, held: number) => Code): Code =>
    countFromZero(row, local.get(here), [
      local.set(from, int.add(scratchAddress, times(row, rowBytes))),
      local.set(to, place(buffer, int.add(local.get(first), local.get(row)))),
      inside(to, from),
    ]);
  const rowsOf = (columns: number): Code => [
    table === undefined
      ? memory.fill(scratchAddress, 0, times(here, rowBytes))
      : eachRow(table, (place, held) => widenColumns(frame, place, held, columns)),
    countFromZero(round, int.const(count), [
      local.set(
        id,
        int.sub(
          int.load(int.add(local.get(base(ids)), int.shl(local.get(round), int.const(2)))),
          local.get(first),
        ),
      ),
      // Unsigned, so that ids before the first row are outside too.
      branch(int.ltU(local.get(id), local.get(here)), [
        local.set(to, int.add(scratchAddress, times(id, rowBytes))),
        local.set(from, place(updates, local.get(round))),
        addColumns(frame, to, from, columns),
      ]),
    ]),
    eachRow(output, (place, held) => roundColumns(held, place, columns)),
  ];
  const rest = width % STRIP;
  return [
    local.set(strip, begin),
    countTo(
      strip,
      end,
      1,
      countFromZero(first, int.const(rows), [
        local.set(here, least(int.sub(int.const(rows), local.get(first)), int.const(height))),
        branch(
          int.ltS(local.get(strip), int.const(strips - Math.sign(rest))),
          strips > Math.sign(rest) ? rowsOf(STRIP) : [],
          rest === 0 ? [] : rowsOf(rest),
        ),
      ], height),
    ),
  ];
};

/** Adds each update to the row of its id, in order: `output[ids[i], :] += updates[i, :]`. */
export const scatterAdd: CodeEmitter<"scatterAdd"> = (kernel, frame) => {
  if (kernel.rows * kernel.width === 0) return [];
  return (kernel.count <= FEW_IDS ? scatterFew : scatterMany)(kernel, frame);
};
