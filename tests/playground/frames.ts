/**
 * Measures the frames of the playground while it trains, in headless Chromium, and prints them: in
 * each view, the median, the 95th percentile and the longest, in milliseconds, and the share of the
 * time in which the page's own script was busy for more than 50 ms at a stretch.
 *
 * `deno task bench:playground`
 *
 * @module
 */
import type { Page } from "npm:playwright-core@1.65.1";
import { build } from "../../examples/playground/build.ts";
import { serve } from "../../examples/playground/serve.ts";
import { launch } from "./launch.ts";

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
  readonly frames: number;
  readonly median: number;
  readonly percentile95: number;
  readonly longest: number;
  readonly busy: number;
}

/** Begins to count frames and long tasks; the page's policy forbids eval, and not this. */
const counting = `
  globalThis.frames = [];
  globalThis.long = 0;
  let last = performance.now();
  const count = (now) => { frames.push(now - last); last = now; requestAnimationFrame(count); };
  requestAnimationFrame(count);
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) long += duration;
  }).observe({ type: "longtask" });
`;

async function measure(page: Page, view: string, url: string): Promise<Frames> {
  await page.goto("about:blank");
  await page.goto(url);
  const step = view === "lake" ? "#lake-step" : view === "train" ? "#step" : ".model small";
  for (let text = "0"; !/[1-9]/.test(text);) {
    await page.waitForTimeout(200);
    text = await page.locator(step).last().innerText().catch(() => "0");
  }
  await page.evaluate(counting);
  await page.waitForTimeout(1000 * Number(seconds));
  const { frames, long }: { readonly frames: readonly number[]; readonly long: number } = await page
    .evaluate("({ frames: frames.slice(1), long })");
  const sorted = frames.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? NaN;
  const total = frames.reduce((sum, frame) => sum + frame, 0);
  return {
    ...{ view, frames: frames.length, median: at(0.5), percentile95: at(0.95), longest: at(1) },
    busy: long / total,
  };
}

const folder = await Deno.makeTempDir();
try {
  const files = await build(`${folder}/site`);
  await using server = serve(`${folder}/site`, files, 0);
  const browser = await launch(command);
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  for (const [view, address] of Object.entries(views)) {
    const url = `http://127.0.0.1:${server.addr.port}/#${address}`;
    const { frames, median, percentile95, longest, busy } = await measure(page, view, url);
    const shown = [median, percentile95, longest].map((frame) => frame.toFixed(1)).join(", ");
    console.log(
      `${view}: ${frames} frames, median, 95th percentile, longest ${shown} ms, ` +
        `busy ${(100 * busy).toFixed(1)} %`,
    );
  }
  await browser.close();
} finally {
  await Deno.remove(folder, { recursive: true });
}
