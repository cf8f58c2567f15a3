/** Curves with bands, drawn by uPlot on a canvas, when a frame has time for them. */
import { createContext } from "npm:preact@11";
import { useContext, useEffect, useRef } from "npm:preact@11/hooks";
import uPlot from "npm:uplot@1.6.32";
import type { Drawings } from "./frames.ts";
import { type Bands, type History, thinned } from "./history.ts";
import { Term } from "./term.tsx";

/** The drawings of the page, which share its frames; outside of it, each is drawn at once. */
export const DrawingsOfPage = createContext<Drawings>({
  draw: (_, work) => work(),
  remove: () => {},
});

/** The dashes of the objectives, so that no one has to tell them by colour alone. */
export const dashes: readonly (readonly number[])[] = [[], [7, 4], [2, 3]];

/** The value of a custom property of the page. */
function property(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

interface ChartProps {
  /** The metric, as the glossary has it. */
  readonly metric: string;
  /** The names of the objectives. */
  readonly names: readonly string[];
  readonly history: History;
  /** Grows with the history. */
  readonly version: number;
  /** The range of values, where it is known. */
  readonly range?: readonly [number, number];
  /** The number of steps of the whole training. */
  readonly steps: number;
}

/** Large numbers in three digits. */
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

/** A number for people. */
export function shownNumber(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "\u2013";
  const size = Math.abs(value);
  if (size >= 10_000) return compact.format(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  if (size < 0.0005) return "0.000";
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toFixed(3);
}

const HEIGHT = 168;

/** The steps between two ticks: 1, 2, 5, 10, 20, 50, and so on. */
const increments = [1, 10, 100, 1000].flatMap((power) => [1, 2, 5].map((own) => own * power));

/** The columns that uPlot reads: steps, and for each objective its most, its least, its mean. */
function dataOf({ steps, lanes }: Bands): uPlot.AlignedData {
  return [
    [...steps],
    ...lanes.flatMap(({ high, low, mean }) => [[...high], [...low], [...mean]]),
  ];
}

function optionsOf(
  { names, range, steps }: Pick<ChartProps, "names" | "range" | "steps">,
  width: number,
): uPlot.Options {
  const [quiet, line] = [property("--quiet"), property("--line")];
  const colours = names.map((_, i) => property(`--series-${i}`));
  const axis = {
    stroke: quiet,
    font: "12px system-ui, sans-serif",
    grid: { stroke: line, width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    padding: [8, 16, 0, 0],
    scales: {
      x: { time: false, range: [0, Math.max(steps, 1)] },
      y: range === undefined ? {} : { range: [range[0], range[1]] },
    },
    axes: [
      // Steps are whole.
      { ...axis, size: 26, incrs: increments, values: (_, t) => t.map(String) },
      {
        ...axis,
        size: 48,
        values: (_, ticks) =>
          ticks.map((tick) => tick >= 10_000 ? compact.format(tick) : String(+tick.toPrecision(4))),
      },
    ],
    series: [
      {},
      ...names.flatMap((name, i): uPlot.Series[] => {
        const edge = { stroke: "transparent", width: 0, points: { show: false }, spanGaps: true };
        return [edge, edge, {
          label: name,
          stroke: colours[i] ?? quiet,
          width: 2,
          dash: [...dashes[i] ?? []],
          spanGaps: true,
          points: { show: false },
        }];
      }),
    ],
    bands: names.map((_, i) => ({
      series: [3 * i + 1, 3 * i + 2],
      fill: `color-mix(in srgb, ${colours[i] ?? quiet} 18%, transparent)`,
    })),
  };
}

/** One metric of all objectives. */
export function Chart({ metric, names, history, version, range, steps }: ChartProps) {
  const drawings = useContext(DrawingsOfPage);
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const isSeen = useRef(false);
  const latest = useRef(history);
  latest.current = history;
  const data = () => dataOf(thinned(latest.current.bands(metric, names.length)));
  const shape = `${names.join()} ${range?.join() ?? ""} ${steps}`;
  useEffect(() => {
    const own = place.current;
    if (own === null) return;
    const make = () => {
      plot.current?.destroy();
      const options = optionsOf({ names, steps, ...range && { range } }, own.clientWidth);
      plot.current = new uPlot(options, data(), own);
    };
    const draw = () => plot.current === null ? make() : plot.current.setData(data());
    const sized = new ResizeObserver(() =>
      plot.current?.setSize({ width: own.clientWidth, height: HEIGHT })
    );
    // What is not on the screen is drawn once it comes there, or on paper.
    const seen = new IntersectionObserver((entries) => {
      isSeen.current = entries.at(-1)?.isIntersecting ?? false;
      if (isSeen.current) drawings.draw(place, draw);
    }, { rootMargin: "100px" });
    // Paper has colours of its own, and shows all charts.
    const paper = matchMedia("print");
    paper.addEventListener("change", make);
    const redraw = () => plot.current !== null && drawings.draw(place, make);
    const theme = matchMedia("(prefers-color-scheme: dark)");
    theme.addEventListener("change", redraw);
    sized.observe(own);
    seen.observe(own);
    return () => {
      sized.disconnect();
      seen.disconnect();
      theme.removeEventListener("change", redraw);
      paper.removeEventListener("change", make);
      drawings.remove(place);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape]);
  useEffect(() => {
    if (isSeen.current) drawings.draw(place, () => plot.current?.setData(data()));
  }, [version, history]);
  const values = names.map((_, lane) => shownNumber(history.latest(metric, lane)));
  const said = names.map((name, i) => `${name} ${values[i]}`).join(", ");
  return (
    <figure class="chart">
      <figcaption>
        <Term name={metric} />
        <span class="values">
          {names.map((name, i) => <span key={name} class={`value series-${i}`}>{values[i]}</span>)}
        </span>
      </figcaption>
      <div ref={place} class="plot" role="img" aria-label={`${metric}: ${said}`} />
    </figure>
  );
}
