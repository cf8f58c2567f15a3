import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { curves, intervals, standaloneSvg } from "@unitune/cli/plot";
import fc from "fast-check";
import { requestsOf } from "../requests.ts";

const axes = { title: "A plot", x: { label: "step" }, y: { label: "nats" } } as const;

/** What is drawn as lines or areas: the `d` of their paths. */
function paths(svg: string, mark: "line" | "area"): string[] {
  const pattern = new RegExp(`aria-label="${mark}"[^>]*><path [^>]*?d="([^"]*)"`, "g");
  return [...svg.matchAll(pattern)].map((match) => match[1] ?? "");
}

Deno.test("a curve has a line and, where points have bands, an area", () => {
  const points = [{ x: 0, y: 1, low: 0.5, high: 2 }, { x: 10, y: 2, low: 1, high: 3 }];
  const banded = curves([{ name: "a", points }], axes);
  const plain = curves([{ name: "a", points: points.map(({ x, y }) => ({ x, y })) }], axes);
  assertEquals(paths(banded, "area").length, 1);
  assertEquals(paths(plain, "area").length, 0);
  assertEquals(paths(plain, "line").length, 1);
});

Deno.test("a value that cannot stand on an axis is a gap", () => {
  const at = (y: number, scale: "linear" | "log") => {
    const points = [1, 2, y, 4, 5].map((value, x) => ({ x: x + 1, y: value }));
    return paths(curves([{ name: "a", points }], { ...axes, y: { label: "y", scale } }), "line")
      .at(-1) ?? "";
  };
  const moves = (path: string) => [...path.matchAll(/M/g)].length;
  assertEquals(moves(at(3, "linear")), 1);
  for (const y of [NaN, Infinity, -Infinity]) assertEquals(moves(at(y, "linear")), 2);
  assertEquals(moves(at(0, "linear")), 1);
  assertEquals(moves(at(0, "log")), 2);
  assertEquals(moves(at(-1, "log")), 2);
});

Deno.test("nothing to draw is said", () => {
  const nothing = [[], [{ name: "a", points: [] }], [{ name: "a", points: [{ x: 1, y: NaN }] }]];
  for (const series of nothing) assertStringIncludes(curves(series, axes), "no data");
  assertStringIncludes(intervals([], axes), "no data");
  const rows = [{ name: "r", value: NaN }];
  assertStringIncludes(intervals([{ name: "a", rows }], axes), "no data");
});

Deno.test("every plot is finite, escaped, in its width, the same again, and fetches nothing", () => {
  const value = fc.double();
  const text = fc.string({ maxLength: 12 });
  const series = fc.array(
    fc.record({
      name: text,
      points: fc.array(fc.record({ x: value, y: value }), { maxLength: 5 }),
    }),
    { maxLength: 3 },
  );
  const scale = fc.constantFrom("linear" as const, "log" as const);
  fc.assert(
    fc.property(
      series,
      text,
      scale,
      fc.integer({ min: 200, max: 900 }),
      (all, label, kind, width) => {
        const options = { title: label, width, x: { label }, y: { label, scale: kind } };
        const bounded = all.map(({ name, points }) => ({
          name,
          points: points.map(({ x, y }) => ({ x: x % 1e6, y: y % 1e6 })),
        }));
        const svg = curves(bounded, options);
        assertEquals(curves(bounded, options), svg);
        assert(
          !/NaN|Infinity|undefined/.test(
            svg.replaceAll(/<text.*?<\/text>|<title>.*?<\/title>|aria-[a-z]+="[^"]*"/gs, ""),
          ),
        );
        assertStringIncludes(svg, `viewBox="0 0 ${width} `);
        assertEquals(requestsOf(svg), []);
      },
    ),
    {
      numRuns: 40,
      // No ticks lie between the smallest numbers that there are.
      examples: [[
        [{ name: "", points: [{ x: 0, y: -5e-324 }, { x: 0, y: 5e-324 }] }],
        "",
        "linear",
        200,
      ]],
    },
  );
});

Deno.test("intervals stand in the rows of their names", () => {
  const rows = ["sft", "ift"].map((name, i) => ({ name, value: i + 1, low: i, high: i + 2 }));
  const svg = intervals([{ name: "best", rows }, { name: "final", rows }], {
    ...axes,
    reference: { value: 1, label: "start" },
  });
  assertEquals([...svg.matchAll(/<circle/g)].length, 4);
  for (const name of ["sft", "ift", "best", "final", "start"]) {
    assertStringIncludes(svg, `>${name}<`);
  }
});

Deno.test("no control character of any text gets into a plot", () => {
  const evil = "\u001b[2J\u202e";
  const points = [{ x: 1, y: 1 }, { x: 2, y: 2 }];
  const labels = [{ value: 1, label: evil }];
  const shown = {
    ...{ title: evil, x: { label: evil }, y: { label: evil } },
    reference: { value: 1, label: evil },
  };
  const curve = { name: evil, points };
  for (
    const svg of [
      curves([curve, curve], { ...shown, beginnings: labels, hover: true }),
      intervals([{ name: evil, rows: [{ name: evil, value: 1 }] }], shown),
    ]
  ) {
    assertEquals(
      [...evil].filter((character) => /\p{C}/u.test(character) && svg.includes(character)),
      [],
    );
  }
});

Deno.test("only several series have a legend, and only where it is wanted", () => {
  const points = [{ x: 1, y: 1 }, { x: 2, y: 2 }];
  const [one, two] = [[{ name: "alpha", points }], [{ name: "alpha", points }, {
    name: "b",
    points,
  }]];
  const hasLegend = (svg: string) => svg.includes(">alpha<");
  assertEquals(
    [curves(one, axes), curves(two, axes), curves(two, { ...axes, legend: false })].map(hasLegend),
    [false, true, false],
  );
});

Deno.test("names of rows take half of the drawing, and are whole where the pointer rests", () => {
  const name = "a".repeat(40);
  const svg = intervals([{ name: "greedy", rows: [{ name, value: 0.5, low: 0.25, high: 1 }] }], {
    ...axes,
    width: 370,
  });
  // 171 pixels of 7.2 each.
  assertStringIncludes(svg, `>${"a".repeat(22)}…<`);
  assertStringIncludes(svg, `<title>${name}, greedy: 0.5 [0.25, 1]</title>`);
  for (const { text, x } of ticksOf(svg, "y")) assert(x - 7.2 * text.length >= 0);
});

Deno.test("labels of stages neither overlap nor are cut", () => {
  const points = [{ x: 0, y: 1 }, { x: 100, y: 2 }];
  const beginnings = [0, 4, 40, 98].map((value) => ({ value, label: `stage at ${value}` }));
  const svg = curves([{ name: "a", points }], { ...axes, width: 370, beginnings });
  const labels = [...svg.matchAll(/<text x="([\d.]+)" y="(\d+)"[^>]*>(stage[^<]*)</g)]
    .map(([, x, y, text = ""]) => ({
      left: Number(x),
      row: Number(y),
      right: Number(x) + 7.2 * text.length,
    }));
  assertEquals(labels.length, 4);
  for (const [i, a] of labels.entries()) {
    assert(a.left >= 0 && a.right <= 370.1, `${a.right}`);
    for (const b of labels.slice(i + 1)) assert(a.row !== b.row || a.right <= b.left + 0.1);
  }
  assertEquals(labels.map(({ row }) => (row - (labels[0]?.row ?? NaN)) / 16), [0, 1, 0, 0]);
  // They stand above the axes, and the curve has the room that it has without them.
  const heightOf = (drawing: string) => Number(/<svg [^>]*?height="(\d+)"/.exec(drawing)?.[1]);
  assertEquals(heightOf(svg), heightOf(curves([{ name: "a", points }], axes)) + 32);
  const [, top = ""] = /<path d="M[\d.]+ (\d+)V/.exec(
    curves([{ name: "a", points }], { ...axes, width: 370, beginnings, hover: true }),
  ) ?? [];
  for (const { row } of labels) assert(row < Number(top), `${row} ${top}`);
});

Deno.test("values that differ by rounding errors are a straight line", () => {
  const path = (ys: readonly number[]) =>
    paths(curves([{ name: "a", points: ys.map((y, x) => ({ x, y })) }], axes), "line").at(-1);
  assertEquals(path([3, 3 + 4e-16, 3 - 4e-16]), path([3, 3, 3]));
  assert(path([3, 3 + 1e-7, 3]) !== path([3, 3, 3]));
});

Deno.test("the columns of values are one group for the keyboard, in each drawing of its own", () => {
  const points = [{ x: 0, y: 1 }, { x: 9, y: 2 }];
  const draw = (title: string, width: number) =>
    curves([{ name: "a", points }], { ...axes, title, width, hover: true });
  const svgs = [draw("<One>", 370), draw("<One>", 820), draw("Two", 370)];
  const groups = svgs.map((
    svg,
  ) => [...new Set([...svg.matchAll(/type="radio" name="(.*?)"/g)].map(([, name]) => name))]);
  assertEquals(groups, [["&lt;One&gt;, 370"], ["&lt;One&gt;, 820"], ["Two, 370"]]);
  const [svg = ""] = svgs;
  assertEquals([...svg.matchAll(/type="radio" name=".*?" aria-label="(.*?)"/g)].map(([, l]) => l), [
    ...["step 0: a 1", "step 9: a 2"],
  ]);
  // An image has no parts for a screen reader; a drawing without columns is one.
  assert(svg.includes(`role="group"`) && !svg.includes(`role="img"`));
  assert(curves([{ name: "a", points }], axes).includes(`role="img"`));
});

Deno.test("the values under the pointer are those of a place that most curves have", () => {
  const logged = Array.from({ length: 100 }, (_, x) => ({ x, y: x }));
  const evaluated = [0, 50, 99].map((x) => ({ x, y: 2 * x, low: x, high: 3 * x }));
  const svg = curves([{ name: "a", points: logged }, { name: "b", points: evaluated }], {
    ...axes,
    hover: true,
  });
  const columns = [...svg.matchAll(/<g class="at">(.*?)<\/g><\/g>/g)].map(([, inner = ""]) =>
    [...inner.matchAll(/<text[^>]*>([^<]*)</g)].map(([, text]) => text)
  );
  // 640 pixels between the axes in columns of 12, the last of which is narrower.
  assertEquals(columns.length, 54);
  assertEquals(columns[0], ["step 0", "a 0", "b 0 [0, 0]"]);
  assertEquals(columns.filter(([, , b]) => b !== undefined).map(([step]) => step), [
    ...["step 0", "step 50", "step 99"],
  ]);
  const area = /<g class="at"><foreignObject x="([\d.]+)" y="24" width="([\d.]+)"/g;
  const rects = [...svg.matchAll(area)].map(([, x, width]) => [Number(x), Number(width)] as const);
  // Together they are the whole width between the axes.
  assertEquals(rects[0]?.[0], 60);
  for (const [i, [x, width]] of rects.entries()) {
    const next = rects[i + 1]?.[0] ?? 700;
    assert(Math.abs(x + width - next) < 0.11, `${x} ${width} ${next}`);
  }
  assert(!curves([{ name: "a", points: logged }], axes).includes('class="at"'));
});

Deno.test("the text under the pointer stays inside the drawing where it has room", () => {
  const points = [0, 1, 2, 3, 4].map((x) => ({ x, y: x }));
  const boxes = (name: string) => {
    const svg = curves([{ name, points }], { ...axes, width: 370, hover: true });
    return [...svg.matchAll(/<rect x="([-\d.]+)" y="20" width="([\d.]+)"/g)]
      .map(([, x, width]) => [Number(x), Number(x) + Number(width)] as const);
  };
  // 22 characters of 7.2 pixels and a value of 2 more, between the axes at 60 and 350.
  for (const [left, right] of boxes("a".repeat(22))) assert(left >= 0 && right <= 350.1);
  assertEquals(boxes("a".repeat(60)).map(([left]) => left), [0, 0, 0, 0, 0]);
});

/** The relative luminance of a colour, as WCAG 2 has it. */
function luminance(color: string): number {
  const channels = [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16) / 255);
  const [r = 0, g = 0, b = 0] = channels.map((c) =>
    c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
  );
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

Deno.test("a standalone drawing's colours are legible on white and on black", () => {
  const svg = standaloneSvg(curves([{ name: "a", points: [{ x: 1, y: 1 }] }], axes));
  assertStringIncludes(svg, `xmlns="http://www.w3.org/2000/svg"`);
  const [, style = ""] = svg.match(/<svg style="([^"]*)"/) ?? [];
  const colors = style.match(/#[0-9a-f]{6}/g) ?? [];
  assertEquals(colors.length, 9);
  // 3 is WCAG's least contrast of what is drawn.
  for (const color of colors) {
    const own = luminance(color) + 0.05;
    assert(1.05 / own >= 3 && own / 0.05 >= 3, color);
  }
});

Deno.test("a logarithmic axis of base 2 is marked at powers of 2", () => {
  const points = [{ x: 0.5, y: 1 }, { x: 8, y: 2 }];
  const x = { label: "size", scale: "log", base: 2 } as const;
  const svg = curves([{ name: "a", points }], { ...axes, x });
  const marks = /aria-label="x-axis tick label"[^>]*>(.*?)<\/g>/s.exec(svg)?.[1] ?? "";
  assertEquals([...marks.matchAll(/<text[^>]*>([^<]*)</g)].map(([, text]) => text), [
    ...["0.5", "1", "2", "4", "8"],
  ]);
});

/** A text of a drawing: what it says, where it stands, and how it is anchored there. */
interface Label {
  readonly text: string;
  readonly x: number;
  readonly anchor: string;
}

/** The labels of an axis's ticks. */
function ticksOf(svg: string, axis: "x" | "y"): Label[] {
  const pattern = new RegExp(`<g([^>]*aria-label="${axis}-axis tick label"[^>]*)>(.*?)</g>`, "s");
  const [, group = "", inner = ""] = pattern.exec(svg) ?? [];
  const shift = Number(/transform="translate\(([-\d.e]+)/.exec(group)?.[1] ?? 0);
  const anchor = /text-anchor="(\w+)"/.exec(group)?.[1] ?? "middle";
  return [...inner.matchAll(/<text([^>]*)>([^<]*)</g)].map(([, own = "", text = ""]) => ({
    text,
    x: shift + Number(/translate\(([-\d.e]+)/.exec(own)?.[1] ?? NaN),
    anchor,
  }));
}

Deno.test("no label of a tick is cut, whatever is measured", () => {
  const size = fc.integer({ min: -12, max: 12 }).map((power) => 10 ** power);
  const number = fc.tuple(fc.double({ min: -9, max: 9, noNaN: true }), size).map(([a, b]) => a * b);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(number, number), { minLength: 2, maxLength: 5 }),
      fc.constantFrom(0, 1, 1e6),
      fc.constantFrom(340, 720),
      (pairs, offset, width) => {
        const points = pairs.map(([x, y]) => ({ x, y: y + offset }));
        const svg = curves([{ name: "a", points }], { ...axes, width });
        const labels = [...ticksOf(svg, "x"), ...ticksOf(svg, "y")];
        // Only where all points are at one place is there no more than a tick for each axis.
        assert(labels.length >= 2, svg);
        for (const { text, x, anchor } of labels) {
          // Half an em a character: about the width of a digit in sans-serif fonts, at 12 pixels.
          const span = 6 * text.length;
          const left = anchor === "end" ? x - span : x - span / 2;
          const right = anchor === "end" ? x : x + span / 2;
          assert(left >= 0 && right <= width, `${JSON.stringify(text)} at ${left} to ${right}`);
          assert(text.length <= 18, text);
        }
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("ticks of tiny and of large values are short, and those between are plain", () => {
  const labels = (values: readonly number[]) =>
    ticksOf(
      curves([{ name: "a", points: values.map((y, x) => ({ x: 500 * x, y })) }], axes),
      "y",
    ).map(({ text }) => text);
  assertEquals(labels([0, 2e-6]).at(-1), "2e\u22126");
  assertEquals(labels([0, 2e7]).at(-1), "2e7");
  assertEquals(labels([-1, 1]).at(0), "\u22121");
  assertEquals(labels([0, 1500]).at(-1), "1,400");
});

Deno.test("rows begin right behind the longest of their names", () => {
  const beginOf = (...names: readonly string[]) => {
    const rows = names.map((name, i) => ({ name, value: i + 1 }));
    return ticksOf(intervals([{ name: "a", rows }], axes), "x").at(0)?.x ?? NaN;
  };
  const widths = ["a", "abc"].map((name) => beginOf(name) - beginOf(""));
  // The only value stands in the middle between where rows begin and the other edge.
  assertEquals(widths.map((width) => Number(width.toFixed(1))), [7.2 / 2, 21.6 / 2]);
});
