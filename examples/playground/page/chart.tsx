/** Curves with bands, drawn by uPlot, which redraws thousands of points in a millisecond. */
import { useEffect, useRef } from "npm:preact@11/hooks";
import uPlot from "npm:uplot@1.6.32";
import type { Bands } from "./history.ts";
import { Term } from "./term.tsx";

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
  readonly bands: Bands;
  /** The range of values, where it is known. */
  readonly range?: readonly [number, number];
  /** The number of steps of the whole training. */
  readonly steps: number;
}

/** A number for people. */
export function shownNumber(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "\u2013";
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  if (size < 0.0005) return "0.000";
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toFixed(3);
}

/** The last value of each objective. */
function lastOf({ lanes }: Bands): readonly (number | null)[] {
  return lanes.map(({ mean }) => mean.findLast((value) => value !== null) ?? null);
}

const HEIGHT = 168;

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
    padding: [8, 10, 0, 0],
    scales: {
      x: { time: false, range: [0, Math.max(steps, 1)] },
      y: range === undefined ? {} : { range: [range[0], range[1]] },
    },
    axes: [
      { ...axis, size: 26, values: (_, ticks) => ticks.map(String) },
      {
        ...axis,
        size: 48,
        values: (_, ticks) => ticks.map((tick) => String(+tick.toPrecision(4))),
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
export function Chart({ metric, names, bands, range, steps }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const latest = useRef(bands);
  latest.current = bands;
  const shape = `${names.join()} ${range?.join() ?? ""} ${steps}`;
  useEffect(() => {
    const own = place.current;
    if (own === null) return;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new uPlot(
        optionsOf({ names, steps, ...range && { range } }, own.clientWidth),
        dataOf(latest.current),
        own,
      );
    };
    draw();
    const sized = new ResizeObserver(() =>
      plot.current?.setSize({ width: own.clientWidth, height: HEIGHT })
    );
    sized.observe(own);
    const theme = matchMedia("(prefers-color-scheme: dark)");
    theme.addEventListener("change", draw);
    return () => {
      sized.disconnect();
      theme.removeEventListener("change", draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape]);
  useEffect(() => plot.current?.setData(dataOf(bands)), [bands]);
  const said = names.map((name, i) => `${name} ${shownNumber(lastOf(bands)[i])}`).join(", ");
  return (
    <figure class="chart">
      <figcaption>
        <Term name={metric} />
        <span class="values">
          {names.map((name, i) => (
            <span key={name} class={`value series-${i}`}>{shownNumber(lastOf(bands)[i])}</span>
          ))}
        </span>
      </figcaption>
      <div ref={place} class="plot" role="img" aria-label={`${metric}: ${said}`} />
    </figure>
  );
}
