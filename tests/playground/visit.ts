/** What the programs share that use the playground in a browser. */
import type { Page } from "npm:playwright-core@1.65.1";
import { violationsOf } from "../violations.ts";

/** How long anything may take, in milliseconds: it is only waited for where something is wrong. */
export const PATIENCE = 300_000;

/** The lines of the console that complain, and the requests to other hosts. */
export interface Watched {
  readonly complaints: string[];
  readonly elsewhere: string[];
}

/** What Chromium itself writes where a page asks for an adapter that there is not. */
const NO_ADAPTER = "No available adapters.";

/** Writes down what a page complains of, and the requests that are not to the hosts given. */
export function watch(page: Page, hosts: readonly string[]): Watched {
  const complaints: string[] = [];
  const elsewhere: string[] = [];
  page.setDefaultTimeout(PATIENCE);
  page.on("console", (line) => {
    const isComplaint = line.type() === "error" || line.type() === "warning";
    if (isComplaint && line.text() !== NO_ADAPTER) complaints.push(line.text());
  });
  page.on("pageerror", ({ message }) => complaints.push(message));
  page.on("request", (request) => {
    const isOurs = hosts.some((own) => request.url().startsWith(own));
    if (!isOurs && /^https?:/.test(request.url())) elsewhere.push(request.url());
  });
  return { complaints, elsewhere };
}

/** Waits until a condition holds. The page's own policy keeps it from evaluating one. */
export async function until(page: Page, holds: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + PATIENCE; !await holds();) {
    if (performance.now() > end) throw new Error(`in vain: ${holds}`);
    await page.waitForTimeout(30);
  }
}

/** Waits for a stage of the experiment. */
export const stage = (page: Page, name: string) =>
  page.waitForSelector(`.status[data-stage=${name}]`);

/** The rules of accessibility that a view violates. */
export async function audit(page: Page, view: string): Promise<readonly string[]> {
  return (await violationsOf(page)).map((violation) => `${view}: ${violation}`);
}

/** What the curves say, without the one that is of time. */
export async function curvesOf(page: Page): Promise<string> {
  const labels = await page.locator(".plot").evaluateAll((plots) =>
    plots.map((plot) => plot.getAttribute("aria-label") ?? "")
  );
  return labels.filter((label) => !label.startsWith("tokens_per_second")).join("\n");
}
