/**
 * The page of examples/page, bundled from the sources, trains in headless Chromium: its loss falls,
 * it is Deno's, and the page shows an answer.
 */
import { assert, assertAlmostEquals, assertEquals, assertLess, assertMatch } from "@std/assert";
import { wasm } from "@unitune/core";
import { train } from "@unitune/training";
import { planTask } from "../../examples/page/training.ts";
import { findBrowser } from "../browser.ts";
import { bundle, openPage } from "./page.ts";

const folder = new URL("../../examples/page/", import.meta.url);

/** What stands in the page, and says when it is complete. */
const watching = `
  const texts = { loss: [], answer: [] };
  const report = () => fetch("/report", { method: "POST", body: JSON.stringify(texts) });
  for (const id of ["loss", "answer"]) {
    const element = document.getElementById(id);
    new MutationObserver(() => {
      texts[id].push(element.textContent);
      if (texts.answer.at(-1)?.startsWith("LAST:")) report();
    }).observe(element, { childList: true });
  }
  addEventListener("error", ({ message }) => { texts.error = message; report(); });
  addEventListener("unhandledrejection", ({ reason }) => { texts.error = String(reason); report(); });
`;

/** What the page has shown. */
interface Shown {
  readonly loss: readonly string[];
  readonly answer: readonly string[];
  readonly error?: string;
}

const browser = await findBrowser();
if (browser === undefined) console.warn("the page's test is skipped: there is no Chromium to run");

Deno.test({
  name: "the example's page trains, and its loss is Deno's",
  ignore: browser === undefined,
  async fn() {
    using device = wasm();
    const losses = new Map<number, number>();
    let last = 0;
    for await (const event of train(await planTask(device))) {
      last = event.step;
      if (event.kind === "metrics") losses.set(event.step, event.metrics.loss ?? NaN);
    }

    const page = await Deno.readTextFile(new URL("index.html", folder));
    const script = await bundle(new URL("page.ts", folder));
    const html = page.replace(
      "</html>",
      `<script>${watching.replace("LAST", String(last))}</script></html>`,
    );
    const shown: Shown = await openPage(browser ?? "", { html, script });
    assertEquals(shown.error, undefined);
    const pairs = shown.loss.map((text) => text.split(": ").map(Number));
    assertEquals(pairs.map(([step]) => step), [...losses.keys()]);
    for (const [step = NaN, loss = NaN] of pairs) {
      // Sixty steps of f32 roundings, whose sums may be shared out among other threads.
      assertAlmostEquals(loss, losses.get(step) ?? NaN, 1e-3);
    }
    assertLess(pairs.at(-1)?.[1] ?? NaN, 0.7 * (pairs[0]?.[1] ?? NaN));
    assert(shown.answer.length > 1);
    assertMatch(shown.answer.at(-1) ?? "", /^60: pick.* → ./);
  },
});
