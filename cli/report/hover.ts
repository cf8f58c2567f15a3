/**
 * The values of curves at the place of the pointer or of the keyboard's focus. A plot has no script:
 * each column of a plot holds its text, which the style of a page (`page_style.ts`) shows while the
 * pointer or the focus is in the column, and hides otherwise. The columns of a plot are the radio
 * buttons of one group, so that a browser stops once at each plot and the arrow keys go from column
 * to column.
 *
 * @module
 */

import { escapeHtml } from "./page.ts";
import { FONT_SIZE, LINE, readValue, tickLabel, widthOf } from "./plot_text.ts";

/** A curve whose values are shown. */
export interface HoverCurve {
  /** The name. */
  readonly name: string;
  /** The colour, as CSS. */
  readonly color: string;
  /** The points. Those whose place or value is NaN are not shown; a band of NaN is none. */
  readonly points: readonly {
    readonly x: number;
    readonly y: number;
    readonly low: number;
    readonly high: number;
  }[];
}

/** The part of a drawing that is inside the axes, and its scales. */
export interface HoverArea {
  /** A name that no other plot of the page has. */
  readonly title: string;
  /** The left end, in pixels. */
  readonly left: number;
  /** The right end. */
  readonly right: number;
  /** The upper end. */
  readonly top: number;
  /** The lower end. */
  readonly bottom: number;
  /** The name of the horizontal axis. */
  readonly label: string;
  /** The pixel of a value on the horizontal axis. */
  x(value: number): number;
  /** The pixel of a value on the vertical axis. */
  y(value: number): number;
}

/** The least width of a column, in pixels. */
const COLUMN = 12;

/** The space around the text of a column, in pixels. */
const PADDING = 6;

/** The place in a column at which most curves have a value; of equal ones, the last. */
function fullest(places: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const x of places) counts.set(x, (counts.get(x) ?? 0) + 1);
  const [place = NaN] = [...counts].reduce((best, own) => own[1] >= best[1] ? own : best, [NaN, 0]);
  return place;
}

/** The places whose values are shown, in order, at most one a column. */
function placesOf(curves: readonly HoverCurve[], area: HoverArea): readonly number[] {
  const places = curves.flatMap(({ points }) =>
    points.flatMap(({ x, y }) => Number.isNaN(x + y) ? [] : [x])
  );
  const columns = Map.groupBy(places, (x) => Math.floor((area.x(x) - area.left) / COLUMN));
  return [...columns.values()].map(fullest).toSorted((a, b) => a - b);
}

/** The values of the curves at a place, a line each. */
function linesAt(curves: readonly HoverCurve[], place: number) {
  return curves.flatMap(({ name, color, points }) =>
    points.filter(({ x, y }) => x === place && !Number.isNaN(y)).map(({ y, low, high }) => {
      const band = Number.isNaN(low + high) ? "" : ` [${readValue(low)}, ${readValue(high)}]`;
      return { text: `${name} ${readValue(y)}${band}`, color, y };
    })
  );
}

/**
 * Draws the columns of a plot, each with its invisible text.
 *
 * @param curves The curves.
 * @param area The part of the drawing inside the axes.
 * @returns Elements to be drawn above the curves.
 *
 * @example
 * ```ts
 * import { hoverColumns } from "./hover.ts";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const area = { title: "Loss", left: 0, right: 100, top: 0, bottom: 50, label: "step" };
 * const points = [{ x: 20, y: 0.5, low: NaN, high: NaN }];
 * const drawn = hoverColumns([{ name: "loss", color: "red", points }], {
 *   ...area,
 *   x: (value) => value,
 *   y: (value) => 50 * value,
 * });
 * assertStringIncludes(drawn, ">loss 0.5</text>");
 * ```
 */
export function hoverColumns(curves: readonly HoverCurve[], area: HoverArea): string {
  const places = placesOf(curves, area);
  const pixel = (value: number) => value.toFixed(1);
  const columns = places.map((place, i) => {
    const [before, after] = [places[i - 1], places[i + 1]];
    const at = area.x(place);
    const from = before === undefined ? area.left : (area.x(before) + at) / 2;
    const to = after === undefined ? area.right : (at + area.x(after)) / 2;
    const lines = linesAt(curves, place);
    const head = `${area.label} ${tickLabel(place)}`;
    const spoken = `${head}: ${lines.map(({ text }) => text).join("; ")}`;
    const texts = [{ text: head, color: "currentColor" }, ...lines];
    const width = texts.reduce((most, { text }) => Math.max(most, widthOf(text)), 0) + 2 * PADDING;
    // Beside the pointer, on the side with more room, and inside the drawing if it fits there.
    const isLeft = at > (area.left + area.right) / 2;
    const beside = isLeft ? at - PADDING - width : at + PADDING;
    const left = Math.max(0, Math.min(beside, area.right - width));
    const written = texts.map(({ text, color }, row) =>
      `<text x="${pixel(left + PADDING)}" y="${pixel(area.top + FONT_SIZE + row * LINE)}" ` +
      `fill="${color}">${escapeHtml(text)}</text>`
    );
    const dots = lines.map(({ color, y }) =>
      `<circle cx="${pixel(at)}" cy="${pixel(area.y(y))}" r="4" fill="${color}"/>`
    );
    return `<g class="at"><foreignObject x="${pixel(from)}" y="${area.top}" ` +
      `width="${pixel(to - from)}" height="${area.bottom - area.top}">` +
      `<input type="radio" name="${escapeHtml(area.title)}" aria-label="${escapeHtml(spoken)}">` +
      `</foreignObject><g aria-hidden="true"><path d="M${pixel(at)} ${area.top}V${area.bottom}"/>${
        dots.join("")
      }` +
      `<rect x="${pixel(left)}" y="${area.top - 4}" width="${pixel(width)}" ` +
      `height="${texts.length * LINE + 4}" rx="4"/>${written.join("")}</g></g>\n`;
  });
  return columns.join("");
}
