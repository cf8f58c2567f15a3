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
import { escapeHtml } from "./page.ts";

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
  /** The ends of the axis (default: those of the data). */
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

const FONT_SIZE = 12;

/** An upper bound of the mean width of a character in the sans-serif font, in pixels. */
const CHARACTER = 0.6 * FONT_SIZE;

function colorOf({ color }: Coloured, index: number): string {
  return `var(--series-${(color ?? index) % COLORS})`;
}

/** Smaller values are drawn as 0: the reciprocal of a tick's step would be infinite. */
const TINIEST = 1e-280;

/** A value that an axis can show, or NaN, which is omitted. */
function onAxis(value: number, { scale }: Axis): number {
  const drawn = Math.abs(value) < TINIEST ? 0 : value;
  return Number.isFinite(drawn) && (scale !== "log" || drawn > 0) ? drawn : NaN;
}

/** A value, limited to the ends of the axis. */
function within(value: number, { domain: [from, to] = [-Infinity, Infinity] }: Axis): number {
  return Math.min(Math.max(value, Math.min(from, to)), Math.max(from, to));
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

/** The range in which the label of a tick has no exponent. */
const PLAIN = { from: 1e-3, to: 1e6 } as const;

/** The most significant digits of a tick's label: further digits are rounding errors. */
const DIGITS = 12;

/** The shortest label of a tick: `1,500`, `0.25`, `2e-6`. */
function tickLabel(value: number): string {
  const rounded = Number(value.toPrecision(DIGITS));
  const size = Math.abs(rounded);
  const isPlain = size === 0 || size >= PLAIN.from && size < PLAIN.to;
  const text = isPlain
    ? rounded.toLocaleString("en-US", { maximumFractionDigits: DIGITS })
    : rounded.toExponential().replace("e+", "e");
  return text.replaceAll("-", "\u2212");
}

function scaleOf({ label, scale = "linear", domain, base = 10 }: Axis): Plot.ScaleOptions {
  return {
    label,
    type: scale,
    labelArrow: "none",
    // Plot's default writes 0.05 as 50m on a logarithmic axis, and 2e-6 as 0.0000020 on a linear
    // one.
    ...(scale === "log" ? { base, tickFormat: "~g" } : { tickFormat: tickLabel }),
    ...(domain === undefined ? {} : { domain }),
  };
}

/** Draws marks by Plot, as an `svg` element. */
function draw(options: Plot.PlotOptions): string {
  const document = new DOMParser().parseFromString("<html></html>", "text/html");
  const style = { fontSize: `${FONT_SIZE}px`, background: "none" };
  // An intersection, as linkedom's document lacks parts of the DOM's type where that type is known.
  const figure: { readonly outerHTML: string } = Plot.plot(
    Object.assign({ style }, options, { document }),
  );
  return figure.outerHTML;
}

/** An upper bound of the width of the longest tick label on an axis, in pixels. */
function longestTick(drawing: string, axis: "x" | "y"): number {
  const group = new RegExp(`aria-label="${axis}-axis tick label"[^>]*>(.*?)</g>`, "s");
  const labels = [...(group.exec(drawing)?.[1] ?? "").matchAll(/<text[^>]*>([^<]*)</g)];
  return labels.reduce((most, [, text = ""]) => Math.max(most, text.length), 0) * CHARACTER;
}

/** Pixels between a tick's label and the axis, plus those between the label and the edge. */
const TICK = 14;

/** Draws marks by Plot, with margins in which all tick labels fit. */
function drawWithTicks(options: Plot.PlotOptions & { readonly marginLeft: number }): string {
  const margins = (drawing: string) => ({
    marginLeft: Math.max(options.marginLeft, longestTick(drawing, "y") + TICK),
    // A label is centred on its tick, which may be at the end of the axis.
    marginRight: Math.max(options.marginRight ?? 20, longestTick(drawing, "x") / 2),
  });
  const first = draw(options);
  const { marginLeft, marginRight } = margins(first);
  const fits = marginLeft === options.marginLeft && marginRight === (options.marginRight ?? 20);
  return fits ? first : draw({ ...options, marginLeft, marginRight });
}

/** An entry of a legend. */
interface Key {
  readonly name: string;
  readonly color: string;
  readonly dashed: boolean;
}

const KEY = 24;
const LINE = 20;

/** Draws the legend in as many lines as it needs, and returns its height. */
function legend(keys: readonly Key[], width: number): { svg: string; height: number } {
  let [left, top] = [0, 0];
  const drawn = keys.map(({ name, color, dashed }) => {
    const size = KEY + name.length * CHARACTER + FONT_SIZE;
    if (left > 0 && left + size > width) [left, top] = [0, top + LINE];
    const dash = dashed ? ` stroke-dasharray="5 3"` : "";
    const key = `<g transform="translate(${left.toFixed(1)},${top})">` +
      `<path d="M1 10H18" stroke="${color}" stroke-width="3"${dash}/>` +
      `<text x="${KEY}" y="14">${escapeHtml(name)}</text></g>`;
    left += size;
    return key;
  });
  return { svg: drawn.join(""), height: keys.length === 0 ? 0 : top + LINE + 4 };
}

/** Puts a drawing under its legend. */
function framed(title: string, keys: readonly Key[], width: number, height: number, inner: string) {
  const above = legend(keys, width);
  const total = above.height + height;
  return `<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 ${width} ${total}" ` +
    `width="${width}" height="${total}" role="img" fill="currentColor" ` +
    `font-family="system-ui, sans-serif" font-size="${FONT_SIZE}">` +
    `<title>${escapeHtml(title)}</title>${above.svg}` +
    `<g transform="translate(0,${above.height})">${inner}</g></svg>`;
}

/** The drawing of an empty plot. */
function empty(width: number, height: number): string {
  return `<text x="${width / 2}" y="${height / 2}" text-anchor="middle">no data</text>`;
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
 * const svg = curves([{ name: "a < b", points }], { title: "Growth", ...axes });
 * assertStringIncludes(svg, "a &lt; b");
 * assertStringIncludes(curves([], { title: "Growth", ...axes }), "no data");
 * ```
 */
export function curves(series: readonly Curve[], options: CurvesOptions): string {
  const { title, x, y, width = 720, height = 320, reference, beginnings = [] } = options;
  const drawn = series.map((curve, i) => ({
    name: curve.name,
    color: colorOf(curve, i),
    dashed: curve.dashed ?? i >= COLORS,
    points: placed(curve.points, x, y),
  }));
  const isEmpty = drawn.every(({ points }) => points.every((p) => Number.isNaN(p.x + p.y)));
  const inner = isEmpty ? empty(width, height) : drawWithTicks({
    width,
    height,
    marginLeft: 60,
    marginBottom: 40,
    x: scaleOf(x),
    y: { ...scaleOf(y), grid: true },
    marks: [
      ...referenceMarks(reference, "y"),
      Plot.ruleX(beginnings, { x: "value", stroke: "currentColor", strokeOpacity: 0.3 }),
      ...drawn.filter(({ points }) => points.some(({ low, high }) => !Number.isNaN(low + high)))
        .map(({ points, color }) =>
          Plot.areaY(points, { x: "x", y1: "low", y2: "high", fill: color, fillOpacity: 0.15 })
        ),
      ...drawn.map(({ points, color, dashed }) =>
        Plot.lineY(points, {
          x: "x",
          y: "y",
          stroke: color,
          strokeWidth: 2,
          ...(dashed ? { strokeDasharray: "5 3" } : {}),
        })
      ),
      Plot.text(beginnings, {
        x: "value",
        text: "label",
        frameAnchor: "top",
        textAnchor: "start",
        dx: 4,
        dy: 2,
        fillOpacity: 0.7,
      }),
    ],
  });
  return framed(title, drawn, width, height, inner);
}

/** Marks of a reference: a line and its label. */
function referenceMarks(reference: Reference | undefined, axis: "x" | "y"): Plot.Markish[] {
  if (reference === undefined) return [];
  const { value, label } = reference;
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
    name: one.name,
    color: colorOf(one, i),
    dashed: false,
    shift: (i - (series.length - 1) / 2) * (ROW / 2),
    rows: one.rows.map((row) => ({
      name: row.name,
      value: onAxis(row.value, x),
      low: within(onAxis(row.low ?? NaN, x), x),
      high: within(onAxis(row.high ?? NaN, x), x),
    })),
  }));
  const names = [...new Set(drawn.flatMap(({ rows }) => rows.map(({ name }) => name)))];
  const isEmpty = drawn.every(({ rows }) => rows.every(({ value }) => Number.isNaN(value)));
  const step = ROW * (1 + (series.length - 1) / 2);
  const [marginTop, marginBottom] = [reference === undefined ? 4 : 20, 44];
  const height = isEmpty ? 80 : marginTop + marginBottom + step * names.length;
  const longest = names.reduce((most, name) => Math.max(most, name.length), 0);
  const inner = isEmpty ? empty(width, height) : drawWithTicks({
    width,
    height,
    marginTop,
    marginBottom,
    marginLeft: Math.min(20 + longest * CHARACTER, width / 2),
    marginRight: 24,
    x: { ...scaleOf(x), grid: true, nice: true },
    y: { domain: names, label: null, tickSize: 0 },
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
          })
          : Plot.dot(rows, { y: "name", x: "value", fill: color, r: 4, dy: shift }),
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
  return framed(title, series.length > 1 ? drawn : [], width, height, inner);
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
