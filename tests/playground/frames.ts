/**
 * Measures the playground while it trains, in headless Chromium, and prints, for each view: the time
 * from the request for the page to the first step that it shows; of its frames, the median, the 95th percentile and the longest, in milliseconds; and the processor time
 * that the page's own thread takes for a frame, which other programs on the machine do not lengthen.
 *
 * `deno task bench:playground`
 *
 * @module
 */
import type { Page } from "npm:playwright-core@1.65.1";
import { build } from "../../examples/playground/build.ts";
import { pageHeaders } from "../../examples/playground/policy.ts";
import { serve } from "../../examples/playground/serve.ts";
import { launch } from "../launch.ts";

const [command = "chromium", seconds = "10"] = Deno.args;

/** The views in which a model learns. */
const views = {
  train: "lanes=sft;grpo;ift&steps=2000",
  believe: "view=believe&lanes=sft;grpo;ift&steps=2000",
  lake: "view=lake",
} as const;

/** What frames were like. */
interface Frames {
  readonly view: string;
  /** From the request for the page to the first step that it shows, in seconds. */
  readonly begun: number;
  readonly frames: number;
  readonly median: number;
  readonly percentile95: number;
  readonly longest: number;
  /** Processor time for a frame, in milliseconds, by what it is for. */
  readonly work: Readonly<Record<string, number>>;
}

/** What the page's thread does, by the browser's names. */
const works = {
  all: "TaskDuration",
  script: "ScriptDuration",
  style: "RecalcStyleDuration",
  layout: "LayoutDuration",
} as const;

/** Begins to count frames. */
const counting = `
  globalThis.frames = [];
  let last = performance.now();
  const count = (now) => { frames.push(now - last); last = now; requestAnimationFrame(count); };
  requestAnimationFrame(count);
`;

async function measure(page: Page, view: string, url: string): Promise<Frames> {
  await page.goto("about:blank");
  const start = performance.now();
  await page.goto(url);
  const step = view === "lake" ? "#lake-step" : view === "train" ? "#step" : ".model small";
  for (let text = "0"; !/[1-9]/.test(text);) {
    await page.waitForTimeout(20);
    text = await page.locator(step).last().innerText().catch(() => "0");
  }
  const begun = (performance.now() - start) / 1000;
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  const spent = async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    return new Map(metrics.map(({ name, value }) => [name, value]));
  };
  await page.evaluate(counting);
  const before = await spent();
  await page.waitForTimeout(1000 * Number(seconds));
  const after = await spent();
  const frames: readonly number[] = await page.evaluate("frames.slice(1)");
  const sorted = frames.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? NaN;
  const work = Object.entries(works).map(([word, name]): [string, number] => {
    const seconds = (after.get(name) ?? NaN) - (before.get(name) ?? NaN);
    return [word, 1000 * seconds / frames.length];
  });
  return {
    ...{
      view,
      begun,
      frames: frames.length,
      median: at(0.5),
      percentile95: at(0.95),
      longest: at(1),
    },
    work: Object.fromEntries(work),
  };
}

const folder = await Deno.makeTempDir();
try {
  const { files } = await build(`${folder}/site`);
  await using server = serve(`${folder}/site`, files, 0, pageHeaders());
  const browser = await launch(command);
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  for (const [view, address] of Object.entries(views)) {
    const url = `http://127.0.0.1:${server.addr.port}/#${address}`;
    const { begun, frames, median, percentile95, longest, work } = await measure(page, view, url);
    const shown = [median, percentile95, longest].map((frame) => frame.toFixed(1)).join(", ");
    console.log(
      `${view}: first step after ${
        begun.toFixed(1)
      } s, ${frames} frames, median, 95th percentile, longest ${shown} ms, ` +
        `processor time of a frame ${
          Object.entries(work).map(([word, own]) => `${word} ${own.toFixed(2)}`).join(", ")
        } ms`,
    );
  }
  await browser.close();
} finally {
  await Deno.remove(folder, { recursive: true });
}
