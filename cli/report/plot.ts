/**
 * Plots as SVG text, for pages and documents: curves with bands, values with intervals. They are
 * drawn by Observable Plot, and contain no scripts and no requests.
 *
 * The colours are the custom properties `--series-0` to `--series-7`, and `currentColor` for the
 * rest. `page` of `@unitune/cli` defines them for screens and paper, {@linkcode standaloneSvg} for
 * a file.
 *
 * @example
 * ```ts
 * import { curves } from "@unitune/cli/plot";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const svg = curves(
 *   [{ name: "sft", points: [{ x: 0, y: 2, low: 1.8, high: 2.2 }, { x: 100, y: 1 }] }],
 *   { title: "Loss", x: { label: "step" }, y: { label: "nats", scale: "log" } },
 * );
 * assertStringIncludes(svg, "<svg");
 * ```
 *
 * @module
 */

import * as Plot from "npm:@observablehq/plot@^0.6";
import { DOMParser } from "npm:linkedom@^0.18";
import { printableLines } from "@unitune/core";
import { shortened } from "@unitune/training";
import { hoverColumns } from "./hover.ts";
import { escapeHtml } from "./page.ts";
import { CHARACTER, FONT_SIZE, LINE, readValue, tickLabel, widthOf } from "./plot_text.ts";

/** A point of a curve. Where a value is not finite, the curve has a gap. */
export interface CurvePoint {
  /** The position on the horizontal axis. */
  readonly x: number;
  /** The value. */
  readonly y: number;
  /** The lower end of the band (default: no band). */
  readonly low?: number;
  /** The upper end of the band. */
  readonly high?: number;
}

/** A series, which is drawn in one colour. */
export interface Coloured {
  /** The name in the legend. */
  readonly name: string;
  /** The number of its colour, 0 to 7 (default: its index). */
  readonly color?: number;
}

/** A curve. */
export interface Curve extends Coloured {
  /** The points, in order. */
  readonly points: readonly CurvePoint[];
  /** Whether the curve is dashed (default: from the ninth on, whose colours repeat). */
  readonly dashed?: boolean;
  /** Whether each point is marked by a dot, as of measurements that are far apart (default false). */
  readonly dotted?: boolean;
  /** The points before smoothing, drawn faintly behind the curve (default: none). */
  readonly raw?: readonly CurvePoint[];
}

/** A value with an interval. */
export interface IntervalRow {
  /** The name of the row. */
  readonly name: string;
  /** The value. */
  readonly value: number;
  /** The lower end of the interval (default: no interval). */
  readonly low?: number;
  /** The upper end of the interval. */
  readonly high?: number;
}

/** Values of one kind, at most one for each row. */
export interface IntervalSeries extends Coloured {
  /** The values. */
  readonly rows: readonly IntervalRow[];
}

/** An axis. */
export interface Axis {
  /** The quantity and its unit. */
  readonly label: string;
  /** The scale (default linear). A logarithmic axis omits values that are not above 0. */
  readonly scale?: "linear" | "log";
  /** The ends of the axis, beyond which no band and no interval is drawn (default: those of the data). */
  readonly domain?: readonly [number, number];
  /** The base of a logarithmic axis, whose powers get the first ticks (default 10). */
  readonly base?: number;
}

/** A value that is marked by a line. */
export interface Reference {
  /** The value. */
  readonly value: number;
  /** The label of the line. */
  readonly label: string;
}

/** Options of all plots. */
export interface PlotOptions {
  /** The title, for readers who cannot see the plot. */
  readonly title: string;
  /** The width in pixels (default 720). */
  readonly width?: number;
  /** A value to compare with (default: none). */
  readonly reference?: Reference;
}

/** Options of {@linkcode curves}. */
export interface CurvesOptions extends PlotOptions {
  /** The horizontal axis. */
  readonly x: Axis;
  /** The vertical axis. */
  readonly y: Axis;
  /** The height without the legend, in pixels (default 320). */
  readonly height?: number;
  /** Marked positions on the horizontal axis, such as the starts of stages (default: none). */
  readonly beginnings?: readonly Reference[];
  /** Whether several series have a legend (default true). */
  readonly legend?: boolean;
  /**
   * Whether the values at a place are shown while the pointer is there, or the focus of the
   * keyboard, by the style of `page` (default false). Each such plot of a page needs a title of its
   * own.
   */
  readonly hover?: boolean;
}

/** Options of {@linkcode intervals}. */
export interface IntervalsOptions extends PlotOptions {
  /** The axis of the values. */
  readonly x: Axis;
  /** Whether values are drawn as bars from 0 instead of dots (default false). */
  readonly bars?: boolean;
}

/** The number of colours. */
const COLORS = 8;

function colorOf({ color }: Coloured, index: number): string {
  return `var(--series-${(color ?? index) % COLORS})`;
}

/** Smaller values are drawn as 0: the reciprocal of a tick's step would be infinite. */
const TINIEST = 1e-280;

/**
 * The significant digits of a value that is drawn. Labels of ticks have three more; of values that
 * differ by less, such as rounding errors of a mean, they would all be the same.
 */
const DRAWN_DIGITS = 9;

/** A value that an axis can show, or NaN, which is omitted. */
function onAxis(value: number, { scale }: Axis): number {
  const drawn = Math.abs(value) < TINIEST ? 0 : Number(value.toPrecision(DRAWN_DIGITS));
  return Number.isFinite(drawn) && (scale !== "log" || drawn > 0) ? drawn : NaN;
}

/** A value, limited to the ends of the axis. */
function within(value: number, { domain: [from, to] = [-Infinity, Infinity] }: Axis): number {
  return Math.min(Math.max(value, Math.min(from, to)), Math.max(from, to));
}

/** A point whose band is limited to the ends of the axis. */
function bandWithin(point: Required<CurvePoint>, axis: Axis): Required<CurvePoint> {
  return { ...point, low: within(point.low, axis), high: within(point.high, axis) };
}

/** Points on the axes; values that the axes cannot show are gaps. */
function placed(points: readonly CurvePoint[], x: Axis, y: Axis): Required<CurvePoint>[] {
  return points.map((point) => ({
    x: onAxis(point.x, x),
    y: onAxis(point.y, y),
    low: onAxis(point.low ?? NaN, y),
    high: onAxis(point.high ?? NaN, y),
  }));
}

function scaleOf({ label, scale = "linear", domain, base = 10 }: Axis): Plot.ScaleOptions {
  return {
    label: printableLines(label),
    type: scale,
    labelArrow: "none",
    // Plot's default writes 0.05 as 50m on a logarithmic axis, and 2e-6 as 0.0000020 on a linear
    // one.
    ...(scale === "log" ? { base, tickFormat: "~g" } : { tickFormat: tickLabel }),
    ...(domain === undefined ? {} : { domain }),
  };
}

/** A drawing by Plot. */
interface Drawing {
  /** Its `svg` element. */
  readonly svg: string;
  /** The pixel of a value on an axis. */
  at(axis: "x" | "y", value: number): number;
}

/** The margins between the edges of a drawing and its axes, in pixels. */
interface Margins {
  readonly marginTop: number;
  readonly marginRight: number;
  readonly marginBottom: number;
  readonly marginLeft: number;
}

/** Draws marks by Plot. */
function draw(options: Plot.PlotOptions): Drawing {
  const document = new DOMParser().parseFromString("<html></html>", "text/html");
  const style = { fontSize: `${FONT_SIZE}px`, background: "none" };
  // An intersection, as linkedom's document lacks parts of the DOM's type where that type is known.
  const figure: { readonly outerHTML: string; scale: Plot.Plot["scale"] } = Plot.plot(
    Object.assign({ style }, options, { document }),
  );
  return {
    svg: figure.outerHTML,
    at: (axis, value) => Number(figure.scale(axis)?.apply(value)),
  };
}

/** An upper bound of the width of the longest tick label on an axis, in pixels. */
function longestTick(drawing: string, axis: "x" | "y"): number {
  const group = new RegExp(`aria-label="${axis}-axis tick label"[^>]*>(.*?)</g>`, "s");
  const labels = [...(group.exec(drawing)?.[1] ?? "").matchAll(/<text[^>]*>([^<]*)</g)];
  return labels.reduce((most, [, text = ""]) => Math.max(most, widthOf(text)), 0);
}

/** Pixels between a tick's label and the axis, plus those between the label and the edge. */
const TICK = 14;

/** Draws marks by Plot, with margins in which all tick labels fit. */
function drawWithTicks(options: Plot.PlotOptions & Margins): Drawing & Margins {
  const first = draw(options);
  const { marginTop, marginBottom } = options;
  const marginLeft = Math.max(options.marginLeft, longestTick(first.svg, "y") + TICK);
  // A label is centred on its tick, which may be at the end of the axis.
  const marginRight = Math.max(options.marginRight, longestTick(first.svg, "x") / 2);
  const fits = marginLeft === options.marginLeft && marginRight === options.marginRight;
  const drawing = fits ? first : draw({ ...options, marginLeft, marginRight });
  return { ...drawing, marginTop, marginRight, marginBottom, marginLeft };
}

/** An entry of a legend. */
interface Key {
  readonly name: string;
  readonly color: string;
  readonly dashed: boolean;
}

/** The width of a line in a legend with the space behind it, and the height of a row of it. */
const [KEY, KEY_ROW] = [24, 20] as const;

const DASHES = "5 3";

/**
 * Draws the legend in as many lines as it needs, and returns its height. A name that is longer than a
 * line is shortened. A single series has no legend.
 */
function legendOf(keys: readonly Key[], width: number): { svg: string; height: number } {
  if (keys.length < 2) return { svg: "", height: 0 };
  let [left, top] = [0, 0];
  const most = Math.floor((width - KEY) / CHARACTER);
  const drawn = keys.map(({ name: whole, color, dashed }) => {
    const name = shortened(whole, most);
    const size = KEY + widthOf(name) + FONT_SIZE;
    if (left > 0 && left + size > width) [left, top] = [0, top + KEY_ROW];
    const dash = dashed ? ` stroke-dasharray="${DASHES}"` : "";
    const key = `<g transform="translate(${left.toFixed(1)},${top})">` +
      `<path d="M1 10H18" stroke="${color}" stroke-width="3"${dash}/>` +
      `<text x="${KEY}" y="14">${escapeHtml(name)}</text></g>`;
    left += size;
    return key;
  });
  return { svg: drawn.join(""), height: top + KEY_ROW + 4 };
}

/** A drawing with what stands around it. */
interface Frame {
  /** What the drawing shows. */
  readonly title: string;
  /** The entries of the legend. */
  readonly keys: readonly Key[];
  /** The width, and the height without the legend. */
  readonly width: number;
  readonly height: number;
  /** The drawing. */
  readonly inner: string;
  /** What can be focused in it (default: nothing). */
  readonly columns?: string;
}

/** Puts a drawing under its legend. Its title is a label: a `title` element would be a tooltip. */
function framed({ title, keys, width, height, inner, columns = "" }: Frame): string {
  const above = legendOf(keys, width);
  const total = above.height + height;
  // An image has no parts for a screen reader, so one with parts to focus is a group.
  const role = columns === "" ? "img" : "group";
  return `<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 ${width} ${total}" ` +
    `width="${width}" height="${total}" role="${role}" aria-label="${
      escapeHtml(printableLines(title))
    }" ` +
    `fill="currentColor" font-family="system-ui, sans-serif" font-size="${FONT_SIZE}">` +
    `${above.svg}<g transform="translate(0,${above.height})"><g aria-hidden="true">${inner}</g>` +
    `${columns}</g></svg>`;
}

/** The drawing of an empty plot. */
function empty(width: number, height: number): string {
  return `<text x="${width / 2}" y="${height / 2}" text-anchor="middle">no data</text>`;
}

/** The space above the axes of curves, in pixels: the label of the vertical axis is in it. */
const TOP = 24;

/** The labels of marked positions, in as many rows above the axes as they need, none of them cut. */
function beginningLabels(
  beginnings: readonly Reference[],
  { at }: Drawing,
  width: number,
): { readonly svg: string; readonly height: number } {
  const ends: number[] = [];
  const svg = beginnings.map(({ value, label: words }) => {
    const label = printableLines(words);
    const span = widthOf(label);
    const left = Math.max(0, Math.min(at("x", value) + 4, width - span));
    const free = ends.findIndex((end) => end <= left);
    const row = free < 0 ? ends.length : free;
    ends[row] = left + span;
    return `<text x="${left.toFixed(1)}" y="${TOP + FONT_SIZE + row * LINE}" ` +
      `fill-opacity="0.7">${escapeHtml(label)}</text>`;
  }).join("");
  return { svg, height: ends.length * LINE };
}

/**
 * Draws curves, each with a band where its points have one.
 *
 * @param series The curves.
 * @param options Title, axes and size.
 * @returns An `svg` element.
 *
 * @example
 * ```ts
 * import { curves } from "@unitune/cli/plot";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const axes = { x: { label: "tokens", scale: "log" }, y: { label: "ms" } } as const;
 * const points = [{ x: 256, y: 1 }, { x: 512, y: NaN }, { x: 1024, y: 5 }];
 * const both = [{ name: "a < b", points }, { name: "b", points: [{ x: 256, y: 2 }] }];
 * assertStringIncludes(curves(both, { title: "Growth", ...axes }), "a &lt; b");
 * assertStringIncludes(curves([], { title: "Growth", ...axes }), "no data");
 * ```
 */
export function curves(series: readonly Curve[], options: CurvesOptions): string {
  const { title, x, y, width = 720, height = 320, reference, beginnings = [] } = options;
  const { legend = true, hover = false } = options;
  const drawn = series.map((curve, i) => ({
    name: printableLines(curve.name),
    color: colorOf(curve, i),
    dashed: curve.dashed ?? i >= COLORS,
    dotted: curve.dotted ?? false,
    points: placed(curve.points, x, y),
    raw: placed(curve.raw ?? [], x, y),
  }));
  const isEmpty = drawn.every(({ points }) => points.every((p) => Number.isNaN(p.x + p.y)));
  const frame = { title, keys: legend ? drawn : [], width };
  if (isEmpty) return framed({ ...frame, height, inner: empty(width, height) });
  const line = (points: readonly CurvePoint[], dashed: boolean, looks: Plot.LineYOptions) =>
    Plot.lineY(points, {
      x: "x",
      y: "y",
      ...looks,
      ...(dashed ? { strokeDasharray: DASHES } : {}),
    });
  const plot = {
    width,
    height,
    marginTop: TOP,
    marginRight: 20,
    marginBottom: 40,
    marginLeft: 60,
    x: scaleOf(x),
    y: { ...scaleOf(y), grid: true },
    marks: [
      ...referenceMarks(reference, "y"),
      Plot.ruleX(beginnings, { x: "value", stroke: "currentColor", strokeOpacity: 0.3 }),
      ...drawn.filter(({ points }) => points.some(({ low, high }) => !Number.isNaN(low + high)))
        .map(({ points, color }) =>
          Plot.areaY(points.map((point) => bandWithin(point, y)), {
            x: "x",
            y1: "low",
            y2: "high",
            fill: color,
            fillOpacity: 0.15,
          })
        ),
      ...drawn.filter(({ raw }) => raw.length > 0).map(({ raw, color }) =>
        line(raw, false, { stroke: color, strokeWidth: 1, strokeOpacity: 0.35 })
      ),
      ...drawn.map(({ points, color, dashed }) =>
        line(points, dashed, { stroke: color, strokeWidth: 2 })
      ),
      ...drawn.filter(({ dotted }) => dotted).map(({ points, color }) =>
        Plot.dot(points, { x: "x", y: "y", fill: color, r: 3 })
      ),
    ],
  };
  const bare = drawWithTicks(plot);
  const { marginRight, marginBottom, marginLeft } = bare;
  // Room above the axes moves nothing along them.
  const labels = beginningLabels(beginnings, bare, width);
  const [total, marginTop] = [height + labels.height, TOP + labels.height];
  const { svg, at } = labels.height === 0
    ? bare
    : draw({ ...plot, height: total, marginTop, marginRight, marginLeft });
  const columns = !hover ? "" : hoverColumns(drawn, {
    title: `${printableLines(title)}, ${width}`,
    left: marginLeft,
    right: width - marginRight,
    top: marginTop,
    bottom: total - marginBottom,
    label: printableLines(x.label),
    x: (value) => at("x", value),
    y: (value) => at("y", value),
  });
  return framed({ ...frame, height: total, inner: svg + labels.svg, columns });
}

/** Marks of a reference: a line and its label. */
function referenceMarks(reference: Reference | undefined, axis: "x" | "y"): Plot.Markish[] {
  if (reference === undefined) return [];
  const { value } = reference;
  const label = printableLines(reference.label);
  const style = { stroke: "currentColor", strokeDasharray: "2 3", strokeOpacity: 0.7 };
  return axis === "y"
    ? [
      Plot.ruleY([value], style),
      Plot.text([label], { y: [value], frameAnchor: "right", textAnchor: "end", dy: -7 }),
    ]
    : [
      Plot.ruleX([value], style),
      Plot.text([label], { x: [value], frameAnchor: "top", textAnchor: "start", dx: 4, dy: -8 }),
    ];
}

const ROW = 22;

/** The values of a row, which a browser shows where the pointer rests. */
function rowTitle(series: string, { name, value, low, high }: IntervalRow): string {
  const band = low === undefined || high === undefined
    ? ""
    : ` [${readValue(low)}, ${readValue(high)}]`;
  return printableLines(`${name}, ${series}: ${readValue(value)}${band}`);
}

/**
 * Draws values with their intervals, in a row for each name.
 *
 * @param series The values, a series for each kind; the kinds of a row are below one another.
 * @param options Title, axis and width; the height follows from the number of rows.
 * @returns An `svg` element.
 *
 * @example
 * ```ts
 * import { intervals } from "@unitune/cli/plot";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const rows = [{ name: "sft", value: 0.62, low: 0.58, high: 0.66 }, { name: "ift", value: 0.7 }];
 * const x = { label: "exact match" };
 * const svg = intervals([{ name: "held-out", rows }], { title: "Exact match", x });
 * assertStringIncludes(svg, "ift");
 * ```
 */
export function intervals(series: readonly IntervalSeries[], options: IntervalsOptions): string {
  const { title, x, width = 720, bars = false, reference } = options;
  const drawn = series.map((one, i) => ({
    name: printableLines(one.name),
    color: colorOf(one, i),
    dashed: false,
    shift: (i - (series.length - 1) / 2) * (ROW / 2),
    rows: one.rows.map((row) => ({
      name: printableLines(row.name),
      value: onAxis(row.value, x),
      low: within(onAxis(row.low ?? NaN, x), x),
      high: within(onAxis(row.high ?? NaN, x), x),
      title: rowTitle(one.name, row),
    })),
  }));
  const names = [...new Set(drawn.flatMap(({ rows }) => rows.map(({ name }) => name)))];
  const isEmpty = drawn.every(({ rows }) => rows.every(({ value }) => Number.isNaN(value)));
  const step = ROW * (1 + (series.length - 1) / 2);
  const [marginTop, marginBottom] = [reference === undefined ? 4 : 20, 44];
  const height = isEmpty ? 80 : marginTop + marginBottom + step * names.length;
  const frame = { title, keys: drawn, width, height };
  if (isEmpty) return framed({ ...frame, inner: empty(width, height) });
  // Names take at most half of the drawing; a shortened one is whole where the pointer rests.
  const most = Math.floor((width / 2 - TICK) / CHARACTER);
  const shown = (name: string) => shortened(name, most);
  const longest = names.reduce((most, name) => Math.max(most, widthOf(shown(name))), 0);
  const { svg } = drawWithTicks({
    width,
    height,
    marginTop,
    marginBottom,
    marginLeft: longest + TICK,
    marginRight: 24,
    x: { ...scaleOf(x), grid: true, nice: true },
    y: { domain: names, label: null, tickSize: 0, tickFormat: shown },
    marks: [
      ...referenceMarks(reference, "x"),
      ...drawn.flatMap(({ rows, color, shift }) => [
        bars
          ? Plot.ruleY(rows, {
            y: "name",
            x1: 0,
            x2: "value",
            stroke: color,
            strokeWidth: ROW / 2 - 2,
            strokeOpacity: 0.8,
            dy: shift,
            title: "title",
          })
          : Plot.dot(rows, { y: "name", x: "value", fill: color, r: 4, dy: shift, title: "title" }),
        Plot.ruleY(rows.filter(({ low, high }) => !Number.isNaN(low + high)), {
          y: "name",
          x1: "low",
          x2: "high",
          stroke: bars ? "currentColor" : color,
          strokeWidth: 2,
          dy: shift,
        }),
      ]),
    ],
  });
  return framed({ ...frame, inner: svg });
}

/** Colours with a contrast of at least 3 on both white and black. */
const middling = [
  "#3b82c4",
  "#d1671f",
  "#1a9a74",
  "#b45fc0",
  "#a98800",
  "#d64f6a",
  "#2a96a8",
  "#848d97",
] as const;

/**
 * Makes a plot into a file of its own, with colours that are legible on white and on black.
 *
 * @param svg A plot of this module.
 * @returns The text of the SVG file.
 *
 * @example
 * ```ts
 * import { curves, standaloneSvg } from "@unitune/cli/plot";
 * import { assert } from "@std/assert";
 *
 * const options = { title: "Growth", x: { label: "tokens" }, y: { label: "ms" } };
 * const svg = curves([{ name: "step", points: [{ x: 1, y: 1 }, { x: 2, y: 4 }] }], options);
 * assert(standaloneSvg(svg).startsWith("<?xml"));
 * ```
 */
export function standaloneSvg(svg: string): string {
  const colors = middling.map((color, i) => `--series-${i}:${color}`).join(";");
  const styled = svg.replace("<svg ", `<svg style="color:#7d8590;${colors}" `);
  return `<?xml version="1.0" encoding="UTF-8"?>\n${styled}\n`;
}
