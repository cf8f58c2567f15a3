/**
 * Causal attention without a matrix of weights: an invocation has rows (queries, or keys) of a head,
 * and sees the others go by, four at a time. On hardware they pass through workgroup memory, from
 * which all invocations of a workgroup read them.
 *
 * The softmax is taken online (Milakov and Gimelshein, 2018): sums are kept relative to the largest
 * score so far. The gradient computes weights again, from the largest score and the total of each
 * query, as in FlashAttention (Dao et al., 2022).
 */
import type { AttentionSizes } from "../../lowering/kernels.ts";
import {
  type Context,
  type Dispatch,
  dispatchOf,
  type Emitter,
  overElements,
  powerBelow,
} from "./dispatch.ts";
import { inRanges, LOOP_ROUNDS, type Range, type RangeOf } from "./loops.ts";
import { literal } from "./math.ts";
import { FOUR, upTo } from "./matrix.ts";
import { makeShader, type Shader } from "./shader.ts";

/** What an invocation keeps in registers; a four of elements is a piece. */
interface Registers {
  /** Rows, where nothing else saves reading. */
  readonly rows: number;
  /** Pieces of a vector that is kept whole; longer ones are read whenever they are needed. */
  readonly whole: number;
  /** Pieces of all sums; longer ones are computed in several passes. */
  readonly sums: number;
}

/** A software adapter reads slowly, and takes long to compile much code. */
const registers: Readonly<Record<"hardware" | "software", Registers>> = {
  hardware: { rows: 1, whole: 16, sums: 16 },
  software: { rows: 4, whole: 8, sums: 16 },
};

/** Invocations of a workgroup on hardware, each with a row. */
const HARDWARE_LANES = 64;

/**
 * Others that a row sees in one dispatch: sums of longer contexts are made of those of such ranges,
 * as in FlashAttention, so that no more terms are added one after the other.
 */
const SEEN_AT_ONCE = 1024;

/** Pieces that pass through workgroup memory at once. */
const TILE_PIECES = 512;

/** Less than every score, but finite: differences of scores are numbers. */
const LOWEST = "-3.4e38f";

/** Vectors of a head: a part of the packed input, or all of a tensor without parts. */
interface Vectors {
  readonly buffer: number;
  /** Which of queries, keys and values. */
  readonly part?: 0 | 1 | 2;
}

/** What a pass is written with. */
interface Tools {
  readonly shader: Shader;
  /** Statements that define the products of an own vector and each of four others. */
  dots(name: string, own: string, row: number, other: string): string[];
  /** Statements that add four others, each with its factor, to a sum that is first scaled. */
  add(sum: string, row: number, other: string, factors: string, scaledBy?: string): string[];
  /** Statements that write a sum, or what is made of pieces of sums, as a vector of a position. */
  write(to: Vectors, position: string, value: (piece: number) => string): string[];
}

/** What is done to a row. */
interface RowSteps {
  /** What four others do to a row; `isSeen` has a truth value for each. */
  readonly step: (row: number, isSeen: string) => readonly string[];
  /** What is written of a row in the end; the first pass of several writes what all compute. */
  readonly finish: (row: number, position: string, isFirst: boolean) => readonly string[];
}

/** A loop over rows that sees other rows go by. */
interface Pass {
  /** Vectors of the rows that an invocation keeps, by name. */
  readonly own: Readonly<Record<string, Vectors>>;
  /** Vectors of the others. */
  readonly others: Readonly<Record<string, Vectors>>;
  /** Sums of vectors, by name, and at most three of numbers. */
  readonly sums: readonly string[];
  readonly scalars: readonly string[];
  /** Whether all sums are relative to the row's largest score so far, `largest`. */
  readonly isRelative: boolean;
  /** Whether the others come before a row, as keys come before a query, or after. */
  readonly sees: "earlier" | "later";
  readonly steps: (tools: Tools) => RowSteps;
}

/** How the vectors of a head are read and written, a piece at a time. */
function accessTo({ length, heads, width }: AttentionSizes, shader: Shader) {
  const isAligned = width % 4 === 0;
  const element = (piece: string, lane: number) => `(${piece}) * 4u + ${lane}u`;
  return {
    startOf: ({ part }: Vectors, position: string) =>
      part === undefined
        ? `((sequence * ${length}u + ${position}) * ${heads}u + head) * ${width}u`
        : `(((sequence * ${length}u + ${position}) * 3u + ${part}u) * ${heads}u + head) * ${width}u`,
    open(vectors: readonly Vectors[]) {
      if (isAligned) { for (const { buffer } of vectors) shader.inFours(buffer); }
    },
    /** The text of a piece of a vector; what is beyond its end is 0. */
    read({ buffer }: Vectors, start: string, piece: string): string {
      if (isAligned) return shader.words(buffer, `(${start}) / 4u + ${piece}`);
      const lanes = FOUR.map((lane) => {
        const word = shader.word(buffer, `${start} + min(${element(piece, lane)}, ${width - 1}u)`);
        return `select(0f, ${word}, ${element(piece, lane)} < ${width}u)`;
      });
      return `vec4f(${lanes.join(", ")})`;
    },
    write({ buffer }: Vectors, start: string, piece: number, value: string): string {
      if (isAligned) return shader.setWords(buffer, `(${start}) / 4u + ${piece}u`, value);
      return FOUR.filter((lane) => 4 * piece + lane < width).map((lane) =>
        shader.setWord(buffer, `${start} + ${4 * piece + lane}u`, `(${value})[${lane}]`)
      ).join(" ");
    },
  };
}

/** The passes over all rows of all heads: one, or one for each slice of long sums. */
function emitPass(sizes: AttentionSizes, pass: Pass, context: Context): Dispatch[] {
  const { batch, length, heads, width } = sizes;
  const kept = registers[context.tuning.tiles ? "hardware" : "software"];
  const pieces = upTo(Math.ceil(width / 4));
  const span = Math.floor(kept.sums / pass.sums.length);
  // Long vectors are read piece by piece, in loops for both products of each row.
  const roundsOfFour = 3 * (1 + pieces.length);
  const seen = 4 * powerBelow(Math.min(SEEN_AT_ONCE / 4, LOOP_ROUNDS / roundsOfFour));
  return upTo(Math.ceil(pieces.length / span)).flatMap((number) => {
    const slice = pieces.slice(number * span, (number + 1) * span);
    const fours = pass.sums.length * slice.length + 1;
    const state = length <= seen
      ? undefined
      : context.scratch("f32", 4 * fours * batch * heads * length);
    return inRanges(
      length,
      seen,
      context,
      (rangeOf) => emitSlice(sizes, pass, { slice, kept, state, rangeOf }, context),
    );
  });
}

/** Some pieces of a pass's sums, over a range of the others. */
interface Part {
  readonly slice: readonly number[];
  readonly kept: Registers;
  /** Where each row's sums wait for the next range: all vectors, then what numbers there are. */
  readonly state: number | undefined;
  readonly rangeOf: RangeOf;
}

/** A pass that computes a part. */
function emitSlice(
  sizes: AttentionSizes,
  { own, others, sums, scalars, isRelative, sees, steps }: Pass,
  { slice, kept, state, rangeOf }: Part,
  context: Context,
): Dispatch[] {
  const { batch, length, heads, width } = sizes;
  const { tuning } = context;
  const shader = makeShader(context, 4);
  shader.use("exp");
  if (state !== undefined) shader.inFours(state);
  const range = rangeOf(shader, tuning.tiles);
  const { open, startOf, read, write } = accessTo(sizes, shader);
  const pieces = upTo(Math.ceil(width / 4));
  const isWhole = pieces.length <= kept.whole;
  const rows = upTo(isWhole ? kept.rows : 1);
  const vectors = Object.entries(others);
  open([...Object.values(own), ...Object.values(others)]);

  const tileRows = 4 *
    powerBelow(TILE_PIECES / (4 * pieces.length * vectors.length));
  const readOther = (name: string, from: Vectors, c: number, piece: string) =>
    tuning.tiles
      ? `${name}Tile[(first - tileStart + ${c}u) * ${pieces.length}u + ${piece}]`
      : read(from, startOf(from, `other${c}`), piece);
  const namedOther = (name: string, c: number, piece: string) => {
    const from = others[name];
    if (from === undefined) throw new RangeError(`the pass has no vectors ${name}`);
    return readOther(name, from, c, piece);
  };
  const namedOwn = (name: string, row: number, piece: string) => {
    const from = own[name];
    if (from === undefined) throw new RangeError(`the pass has no vectors ${name}`);
    return read(from, `${name}Start${row}`, piece);
  };
  const tools: Tools = {
    shader,
    dots(name, own, row, other) {
      if (isWhole) {
        const all = FOUR.map((c) =>
          pieces.map((p) => `dot(${own}${row}_${p}, ${other}${c}_${p})`).join(" + ")
        );
        return [`let ${name} = vec4f(${all.join(", ")});`];
      }
      const each = FOUR.map((c) => `dot(piece, ${namedOther(other, c, "p")})`);
      return [
        `var ${name} = vec4f();`,
        `for (var p = 0u; p < ${pieces.length}u; p++) {`,
        `let piece = ${namedOwn(own, row, "p")};`,
        `${name} += vec4f(${each.join(", ")});`,
        "}",
      ];
    },
    add: (sum, row, other, factors, scaledBy) =>
      slice.map((p) => {
        const name = `${sum}${row}_${p}`;
        const before = scaledBy === undefined ? name : `${name} * ${scaledBy}`;
        const added = FOUR.map((c) => `${factors}[${c}] * ${other}${c}_${p}`);
        return `${name} = ${[before, ...added].join(" + ")};`;
      }),
    write: (to, position, value) => {
      open([to]);
      return slice.map((p) => write(to, startOf(to, position), p, value(p)));
    },
  };
  const { step, finish } = steps(tools);

  const begin = [
    `let sequence = headNumber / ${heads}u;`,
    `let head = headNumber % ${heads}u;`,
    ...rows.flatMap((row) => [
      // Beyond the end the last row is computed again, and not written.
      `let position${row} = min(firstRow + ${row}u, ${length - 1}u);`,
      ...Object.entries(own).flatMap(([name, from]) => [
        `let ${name}Start${row} = ${startOf(from, `position${row}`)};`,
        ...(isWhole ? pieces : []).map((p) =>
          `let ${name}${row}_${p} = ${read(from, `${name}Start${row}`, `${p}u`)};`
        ),
      ]),
      ...sums.flatMap((name) => slice.map((p) => `var ${name}${row}_${p} = vec4f();`)),
      ...(isRelative ? [`var largest${row} = ${LOWEST};`] : []),
      ...scalars.map((name) => `var ${name}${row} = 0f;`),
    ]),
  ];
  const four = "vec4u(first, first + 1u, first + 2u, first + 3u)";
  const see = [
    ...FOUR.map((c) => `let other${c} = min(first + ${c}u, ${length - 1}u);`),
    ...vectors.flatMap(([name, from]) =>
      FOUR.flatMap((c) =>
        (isWhole ? pieces : slice).map((p) =>
          `let ${name}${c}_${p} = ${readOther(name, from, c, `${p}u`)};`
        )
      )
    ),
    ...rows.flatMap((row) => {
      const isSeen = sees === "earlier"
        ? `(${four} <= vec4u(position${row}))`
        : `((${four} >= vec4u(position${row})) & (${four} < vec4u(${length}u)))`;
      return ["{", ...step(row, isSeen), "}"];
    }),
  ];
  const vectorsOf = (row: number) => sums.flatMap((name) => slice.map((p) => `${name}${row}_${p}`));
  const count = sums.length * slice.length;
  /** Adds a row's sums up with those of the ranges before, and leaves them to those after. */
  const carry = (row: number, state: number, { isFirst = "true", isLast = "true" }: Range) => {
    const place = (i: number) => `state + ${i}u`;
    const numbers = [
      isRelative ? `largest${row}` : "0f",
      ...scalars.map((name) => `${name}${row}`),
    ];
    const scaled = (before: string, own: string) =>
      isRelative ? `${own} = ${before} * partBefore + ${own} * partOwn;` : `${own} += ${before};`;
    return [
      `let state = (headNumber * ${length}u + position${row}) * ${count + 1}u;`,
      `if (!(${isFirst})) {`,
      `let known = ${shader.words(state, place(count))};`,
      ...(isRelative
        ? [
          `let largest = max(known.x, largest${row});`,
          "let partBefore = expOf(vec4f(known.x - largest)).x;",
          `let partOwn = expOf(vec4f(largest${row} - largest)).x;`,
          `largest${row} = largest;`,
        ]
        : []),
      ...scalars.map((name, i) => scaled(`known[${i + 1}]`, `${name}${row}`)),
      ...vectorsOf(row).map((name, i) => scaled(shader.words(state, place(i)), name)),
      "}",
      `if (${isLast}) {`,
      ...finish(row, `position${row}`, slice[0] === 0),
      "} else {",
      ...vectorsOf(row).map((name, i) => shader.setWords(state, place(i), name)),
      shader.setWords(
        state,
        place(count),
        `vec4f(${[...numbers, "0f", "0f", "0f"].slice(0, 4).join(", ")})`,
      ),
      "}",
    ];
  };
  const end = rows.flatMap((row) => [
    `if (firstRow + ${row}u < ${length}u) {`,
    ...(state === undefined
      ? finish(row, `position${row}`, slice[0] === 0)
      : carry(row, state, range)),
    "}",
  ]);

  if (!tuning.tiles) {
    const blocks = Math.ceil(length / rows.length);
    const fours = sees === "earlier"
      ? `var first = ${range.begin}; first < min(position${rows.length - 1} + 1u, ${range.end});`
      : `var first = max(position0 & ~3u, ${range.begin}); first < ${range.end};`;
    return overElements(shader, batch * heads * blocks, { ...tuning, workgroup: tuning.vector }, [
      ...range.lines,
      `let headNumber = element / ${blocks}u;`,
      `let firstRow = element % ${blocks}u * ${rows.length}u;`,
      ...begin,
      `for (${fours} first += 4u) {`,
      ...see,
      "}",
      ...end,
    ]);
  }
  const lanes = HARDWARE_LANES;
  const workgroups = Math.ceil(length / lanes);
  for (const [name] of vectors) {
    shader.declare(`var<workgroup> ${name}Tile: array<vec4f, ${tileRows * pieces.length}>;`);
  }
  // All lanes of a workgroup meet at the barriers, so that they see the same tiles.
  const tiles = sees === "earlier"
    ? `var tileStart = ${range.begin}; tileStart < min(blockStart + ${lanes}u, ${range.end})`
    : `var tileStart = max(blockStart / ${tileRows}u * ${tileRows}u, ${range.begin});` +
      ` tileStart < ${range.end}`;
  const isNear = sees === "earlier" ? "first <= position0" : "first + 3u >= position0";
  const fill = vectors.flatMap(([name, from]) => [
    `for (var item = lane; item < ${tileRows * pieces.length}u; item += ${lanes}u) {`,
    `let other = min(tileStart + item / ${pieces.length}u, ${length - 1}u);`,
    `let otherStart = ${startOf(from, "other")};`,
    `${name}Tile[item] = ${read(from, "otherStart", `item % ${pieces.length}u`)};`,
    "}",
  ]);
  const body = [
    ...range.lines,
    `let headNumber = workgroup / ${workgroups}u;`,
    `if (headNumber >= ${batch * heads}u) { return; }`,
    `let blockStart = workgroup % ${workgroups}u * ${lanes}u;`,
    "let firstRow = blockStart + lane;",
    ...begin,
    `for (${tiles}; tileStart += ${tileRows}u) {`,
    ...fill,
    "workgroupBarrier();",
    `for (var first = tileStart; first < tileStart + ${tileRows}u; first += 4u) {`,
    `if (${isNear}) {`,
    ...see,
    "}",
    "}",
    "workgroupBarrier();",
    "}",
    ...end,
  ];
  const size = { workgroups: batch * heads * workgroups, invocations: lanes };
  return dispatchOf(shader, body, size);
}

/** Statements that give four others their weights, relative to the largest score so far. */
function weigh({ dots }: Tools, row: number, scale: number, isSeen: string): string[] {
  return [
    ...dots("products", "q", row, "k"),
    `let isSeen = ${isSeen};`,
    `let scores = select(vec4f(${LOWEST}), products * ${literal(scale)}, isSeen);`,
    "let pairs = max(scores.xy, scores.zw);",
    `let largest = max(largest${row}, max(pairs.x, pairs.y));`,
    `let correction = expOf(vec4f(largest${row} - largest)).x;`,
    "let weights = select(vec4f(), expOf(scores - largest), isSeen);",
    `largest${row} = largest;`,
    `total${row} = total${row} * correction + dot(weights, vec4f(1f));`,
  ];
}

/** `softmax(scale Q K^T) V` of every head, each query seeing itself and what comes before. */
export const attention: Emitter<"attention"> = (kernel, context) => {
  const { input, output, scale, batch, length, heads, width } = kernel;
  if (batch * length * heads * width === 0) return [];
  return emitPass(kernel, {
    own: { q: { buffer: input, part: 0 } },
    others: { k: { buffer: input, part: 1 }, v: { buffer: input, part: 2 } },
    sums: ["o"],
    scalars: ["total"],
    isRelative: true,
    sees: "earlier",
    steps: (tools) => ({
      step: (row, isSeen) => [
        ...weigh(tools, row, scale, isSeen),
        ...tools.add("o", row, "v", "weights", "correction"),
      ],
      finish: (row, position) =>
        tools.write({ buffer: output }, position, (p) => `o${row}_${p} / total${row}`),
    }),
  }, context);
};

/**
 * With weights `p_s`, cotangent g and slopes `d_s = g v_s`, whose mean is `m = sum_s p_s d_s`:
 * `dq = scale sum_s p_s (d_s - m) k_s`, and for each query that sees a key,
 * `dk += scale p (d - m) q` and `dv += p g`. The first pass has queries, the second keys.
 */
export const attentionGradient: Emitter<"attentionGradient"> = (kernel, context) => {
  const { input, cotangent, output, scale, batch, length, heads, width } = kernel;
  if (batch * length * heads * width === 0) return [];
  const g: Vectors = { buffer: cotangent };
  const of = (buffer: number) => ({
    q: { buffer, part: 0 },
    k: { buffer, part: 1 },
    v: { buffer, part: 2 },
  } as const);
  const [{ q, k, v }, gradient] = [of(input), of(output)];
  // Of each query: the largest score, 1 / total, and the mean slope.
  const statistics = context.scratch("f32", 4 * batch * length * heads);
  const statisticsAt = (position: string) =>
    `(sequence * ${length}u + ${position}) * ${heads}u + head`;

  const ofQueries: Pass = {
    own: { q, g },
    others: { k, v },
    // Sums of weighted slopes times keys, and of weighted keys.
    sums: ["sk", "wk"],
    scalars: ["total", "slopes"],
    isRelative: true,
    sees: "earlier",
    steps: (tools) => {
      tools.shader.inFours(statistics);
      return {
        step: (row, isSeen) => [
          ...weigh(tools, row, scale, isSeen),
          ...tools.dots("slopes", "g", row, "v"),
          "let sloped = weights * slopes;",
          `slopes${row} = slopes${row} * correction + dot(sloped, vec4f(1f));`,
          ...tools.add("sk", row, "k", "sloped", "correction"),
          ...tools.add("wk", row, "k", "weights", "correction"),
        ],
        finish: (row, position, isFirst) => [
          `let part = 1f / total${row};`,
          `let mean = slopes${row} * part;`,
          ...(isFirst
            ? [tools.shader.setWords(
              statistics,
              statisticsAt(position),
              `vec4f(largest${row}, part, mean, 0f)`,
            )]
            : []),
          ...tools.write(
            gradient.q,
            position,
            (p) => `(sk${row}_${p} - mean * wk${row}_${p}) * (part * ${literal(scale)})`,
          ),
        ],
      };
    },
  };
  const ofKeys: Pass = {
    own: { k, v },
    others: { q, g },
    sums: ["dk", "dv"],
    scalars: [],
    isRelative: false,
    sees: "later",
    steps: (tools) => {
      tools.shader.inFours(statistics);
      return {
        step: (row, isSeen) => [
          `let isSeen = ${isSeen};`,
          ...FOUR.map((c) =>
            `let known${c} = ${tools.shader.words(statistics, statisticsAt(`other${c}`))};`
          ),
          ...["largest", "part", "mean"].map((name, lane) =>
            `let ${name} = vec4f(${FOUR.map((c) => `known${c}[${lane}]`).join(", ")});`
          ),
          ...tools.dots("products", "k", row, "q"),
          `let exponentials = expOf(products * ${literal(scale)} - largest);`,
          "let weights = select(vec4f(), exponentials * part, isSeen);",
          ...tools.dots("slopes", "v", row, "g"),
          `let sloped = weights * (slopes - mean) * ${literal(scale)};`,
          ...tools.add("dv", row, "g", "weights"),
          ...tools.add("dk", row, "q", "sloped"),
        ],
        finish: (row, position) => [
          ...tools.write(gradient.k, position, (p) => `dk${row}_${p}`),
          ...tools.write(gradient.v, position, (p) => `dv${row}_${p}`),
        ],
      };
    },
  };
  return [ofQueries, ofKeys].flatMap((pass) => emitPass(kernel, pass, context));
};
