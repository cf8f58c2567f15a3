/** Uses the playground in headless Chromium and prints what it saw, as JSON. */
import { launch } from "../launch.ts";
import { audit, curvesOf, stage, until, watch } from "./visit.ts";

/** What was seen. */
export interface Seen {
  /** Lines of the console and errors of the page that no one caught. */
  readonly complaints: readonly string[];
  /** Requests to other hosts than the page's. */
  readonly elsewhere: readonly string[];
  readonly isIsolated: boolean;
  /** The names of the scripts of the first load. */
  readonly firstScripts: readonly string[];
  /** Exact match of each objective at the end. */
  readonly matches: readonly number[];
  /** The steps of a training that was paused, and a moment later. */
  readonly paused: readonly [number, number];
  /** The step after one more. */
  readonly stepped: number;
  /** What curves say at the end of two visits to the same address. */
  readonly curves: readonly [string, string];
  /** What an address with a wrong setting says. */
  readonly wrongAddress: string;
  /** The heading of a composition that fits, and its code. */
  readonly fitting: readonly [string, string];
  /** The reason beside a part that does not fit. */
  readonly misfit: string;
  /** The models that say what they believe, and the error of a prompt that they cannot read. */
  readonly believers: number;
  readonly unreadable: string;
  /** The step of the lake, and the complaint on a lake without a way. */
  readonly lakeStep: number;
  readonly noWay: string;
  /** What the page says on a file that is no model, on the model, and on rows that are none. */
  readonly noModel: string;
  readonly model: string;
  readonly noRows: string;
  /** The model's answer ends; the name and the base of the adapter that was downloaded, and its zip. */
  readonly turns: number;
  readonly adapter: readonly string[];
  /** The heading of the page from a host that sends no headers, without a network. */
  readonly offline: string;
  /** What is said of WebGPU where the browser has no adapter. */
  readonly noWebGpu: string;
  /** The rules of accessibility that each view violates. */
  readonly violations: readonly string[];
  /** The 95th percentile of frame times while training, in milliseconds. */
  readonly frame: number;
}

const [url = "", command = "", modelFolder = "", plainUrl = ""] = Deno.args;
const place =
  `${url}#task=pick&width=16&layers=1&baseSteps=20&steps=20&seeds=1&learningRate=0.01&lanes=sft;ift`;

const violations: string[] = [];

const browser = await launch(command);
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
const { complaints, elsewhere } = watch(page, [url, plainUrl]);
const scripts = new Set<string>();
page.on("request", (request) => {
  const name = request.url().slice(url.length);
  if (name.endsWith(".js")) scripts.add(name);
});

const text = (selector: string) => page.innerText(selector);
const step = async () => Number(await text("#step"));

// Pause while the common checkpoint is trained, take one step, and go on to the end.
await page.goto(place);
await page.evaluate(`
  globalThis.frames = [];
  let last = performance.now();
  const count = (now) => { frames.push(now - last); last = now; requestAnimationFrame(count); };
  requestAnimationFrame(count);
`);
await page.click("button:text-is('Pause')");
await until(page, async () => await text(".status") === "Paused.");
await page.waitForTimeout(400);
const pausedAt = await step();
await page.waitForTimeout(400);
const paused = [pausedAt, await step()] as const;
await page.click("button:text-is('Step')");
await until(page, async () => await step() > pausedAt);
const stepped = await step();
await page.click("button:text-is('Play')");
await stage(page, "done");
const firstScripts = [...scripts];
const frame: number = await page.evaluate(`
  frames.slice(5).sort((a, b) => a - b)[Math.floor(0.95 * (frames.length - 5))]
`);
const first = await curvesOf(page);
const noWebGpu = await text(".device small");
const matches = (await page.locator(".match output").allInnerTexts()).map(Number);
violations.push(...await audit(page, "train"));

// Believe.
await page.click("nav >> text=Believe");
await page.waitForSelector(".model");
const believers = await page.locator(".model").count();
await page.locator(".beliefs >> nth=1").locator("button.token").nth(1).click();
await page.waitForSelector(".forcing");
violations.push(...await audit(page, "believe"));
await page.fill("label:has-text('prompt') >> input", "pick \u00e9");
await page.keyboard.press("Tab");
const unreadable = await text("[role=alert]");

// Compose.
await page.click("nav >> text=Compose");
const fitting = [await text(".result h2"), await text("#code")] as const;
await page.check("input[value=group-mean]");
const misfit = await text("#reason");
violations.push(...await audit(page, "compose"));

// Frozen Lake.
await page.click("nav >> text=Frozen Lake");
await until(page, async () => Number(await text("#lake-step")) >= 2);
const lakeStep = Number(await text("#lake-step"));
violations.push(...await audit(page, "lake"));
for (const name of ["row 1, column 2: ice", "row 2, column 1: ice"]) {
  await page.click(`button[aria-label="${name}"]`);
}
const noWay = await text("[role=alert]");

// A model of one's own: a file that is none, then a folder; it answers, and learns pasted rows.
await page.click("nav >> text=Your model");
const dropped = await page.evaluateHandle(`(() => {
  const data = new DataTransfer();
  data.items.add(new File(["no model"], "notes.txt"));
  return data;
})()`);
await page.dispatchEvent(".drop", "drop", { dataTransfer: dropped });
const noModel = await text("[role=alert]");
await page.setInputFiles("input[type=file]", modelFolder);
await page.waitForSelector(".chat");
const model = await text(".drop [role=status]");
await page.fill(".chat form input", "Hi");
await page.keyboard.press("Enter");
const idle = () => page.waitForSelector("[data-doing=nothing]");
await idle();
const turns = await page.locator(".turn").count();
await page.fill(".tune textarea", "prompt,completion\n1,2,3");
await page.click("text=Train an adapter");
const noRows = await text(".tune [role=alert]");
await page.fill(".tune textarea", "prompt,completion\n1,2\n2,3\n3,4\n");
await page.fill(".tune .field:has-text('steps') >> input", "3");
await page.click("text=Train an adapter");
const link = page.locator(".downloads a").first();
await link.waitFor();
const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
const config = JSON.parse(await Deno.readTextFile(await download.path()));
const [whole] = await Promise.all([
  page.waitForEvent("download"),
  page.locator(".downloads a").last().click(),
]);
const adapter = [
  ...[download.suggestedFilename(), config.base_model_name_or_path, whole.suggestedFilename()],
];
violations.push(...await audit(page, "own"));

// The same address again, and a wrong one.
await page.goto("about:blank");
await page.goto(place);
const isIsolated: boolean = await page.evaluate("crossOriginIsolated");
await stage(page, "done");
const again = await curvesOf(page);
await page.goto("about:blank");
await page.goto(`${url}#seeds=9&view=compose`);
const wrongAddress = await text("[role=alert]");

// A host that sends no headers: the service worker does, and keeps the page without a network.
await page.goto(`${plainUrl}#view=compose`);
await until(
  page,
  () =>
    page.evaluate<boolean>("crossOriginIsolated && document.readyState === 'complete'")
      .catch(() => false),
);
await page.waitForSelector("#code");
await page.context().setOffline(true);
await page.reload();
// A view that was not opened while there was a network.
await page.click("nav >> text=Your model");
await page.setInputFiles("input[type=file]", modelFolder);
await page.waitForSelector(".chat");
const offline = await text("h1");
await browser.close();

const seen: Seen = {
  ...{ complaints, elsewhere, isIsolated, matches, paused, stepped, wrongAddress, fitting, misfit },
  ...{ believers, unreadable, lakeStep, noWay, violations, frame, firstScripts },
  ...{ noModel, model, noRows, turns, adapter, offline, noWebGpu },
  curves: [first, again],
};
console.log(JSON.stringify(seen));
