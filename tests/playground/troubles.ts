/**
 * Uses the playground in headless Chromium as somebody does who wants to break it, on WebGPU as well,
 * with the keyboard alone, and with a hub; prints what it saw, as JSON.
 */
import type { Page } from "npm:playwright-core@1.65.1";
import { softwareAdapter } from "../browser.ts";
import { launch } from "../launch.ts";
import { audit, curvesOf, stage, until, watch } from "./visit.ts";

/** What was seen. */
export interface Troubles {
  readonly complaints: readonly string[];
  readonly elsewhere: readonly string[];
  /** What curves say at the end, by WebAssembly and by WebGPU. */
  readonly curves: readonly [wasm: string, webgpu: string];
  /** What is said of an adapter by the processor alone. */
  readonly software: string;
  /** Whether steps and curves are still there after going to other views, back and forward. */
  readonly isKept: boolean;
  /** The number of alerts for each address that was mangled. */
  readonly alerts: readonly number[];
  /** What is said of 10,000 pasted rows. */
  readonly manyRows: string;
  /** What is said of a prompt of 100,000 characters. */
  readonly longPrompt: string;
  /** Controls that the keyboard does not reach, or whose focus is not seen, by view. */
  readonly unreached: readonly string[];
  /** The number of controls that it reaches. */
  readonly reached: number;
  /** The address after the skip link, and what has the focus. */
  readonly skipped: readonly [hash: string, focused: string];
  /** The share of success from a cell that was chosen by the keyboard. */
  readonly from: string;
  /** The model in a folder that was dragged into the page, and the address after a stray drop. */
  readonly dropped: string;
  readonly stray: string;
  /** What the page of a hub says of a name that is none, and of a model; the turns on WebGPU. */
  readonly noModel: string;
  readonly ofHub: string;
  readonly turns: number;
  /** What is said of an adapter of 10,000 pasted rows. */
  readonly tuned: string;
  /** The most frames in which curves changed in a second, for those who want little to move. */
  readonly quietChanges: number;
  readonly violations: readonly string[];
}

const [url = "", command = "", modelFolder = "", hubUrl = "", ...hubHosts] = Deno.args;
const tiny = "width=8&layers=1&baseSteps=3&steps=4&batchSize=8&seeds=1";
const small = `${tiny}&lanes=sft;ift`;

const browser = await launch(command, softwareAdapter);
const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
const page = await context.newPage();
const { complaints, elsewhere } = watch(page, [url, hubUrl, ...hubHosts]);
const violations: string[] = [];
const text = (selector: string, on: Page = page) => on.innerText(selector);

// The same training on both devices, of one objective: a software adapter takes long to compile.
await page.goto(`${url}#${tiny}&lanes=sft`);
await stage(page, "done");
const wasm = await curvesOf(page);
await until(page, async () => await page.locator(".device small").count() > 0);
const software = await text(".device small");
await page.selectOption(".device select", "webgpu");
await stage(page, "base");
await stage(page, "done");
const webgpu = await curvesOf(page);

// Back and forward.
const isAt = (view: string) =>
  until(page, async () => await page.title() === `${view} \u00b7 Unitune playground`);
for (const view of ["Compose", "Frozen Lake"]) {
  await page.click(`nav >> text=${view}`);
  await isAt(view);
}
await page.goBack();
await isAt("Compose");
await page.goBack();
await isAt("Train");
await page.goForward();
await isAt("Compose");
await page.click("nav >> text=Train");
const isKept = await text("#step") === "4" && (await curvesOf(page)) === webgpu;

// Addresses that somebody has typed over.
const mangled = [
  "lanes=%E0%A4%A&x=%",
  "width=-1&layers=1e9&steps=1e999",
  "seed=99999999999999999999999",
  "task=%3Cscript%3E&lanes=;;;&parts=**",
  "view=lake&map=S&methods=",
  `view=lake&map=${"SFFFFFFFFFFFG/".repeat(50)}`,
  "view=compose&parts=gold*indicator*nll(lambda=1e400)",
  "lanes=ift(lambda=1e9)",
  "rows=%00%00",
  "device=abacus",
];
const alerts: number[] = [];
for (const address of mangled) {
  await page.evaluate(`location.hash = ${JSON.stringify(`#${address}`)}`);
  await until(page, async () => await page.locator("[role=alert]").count() > 0).catch(() => {});
  alerts.push(await page.locator("[role=alert]").count());
}

// Two tabs train at once, and a third is closed while it does.
const [second, third] = [await context.newPage(), await context.newPage()];
await page.evaluate(`location.hash = ${JSON.stringify(`#${small}&seed=1`)}`);
await Promise.all([second.goto(`${url}#${small}&seed=2`), third.goto(`${url}#${small}&seed=3`)]);
await third.close();
await Promise.all([stage(page, "done"), stage(second, "done")]);
await second.close();

// Ten thousand rows, and a prompt that is a book.
await page.click("summary:text-is('Settings of the experiment')");
const many = Array.from({ length: 10_000 }, (_, i) => `prompt ${i},answer ${i}`).join("\n");
/** Pastes text: Chromium would type so many lines for minutes. */
const paste = (selector: string, pasted: string) =>
  page.locator(selector).evaluate((own, text) => {
    if (own instanceof HTMLTextAreaElement) own.value = text;
    own.dispatchEvent(new InputEvent("input", { bubbles: true }));
  }, pasted);
await paste(".rows textarea", `prompt,completion\n${many}`);
const manyRows = await text(".rows [role=status]");
await page.click("nav >> text=Believe");
await page.waitForSelector(".model");
await page.fill("label:has-text('prompt') >> input", "pick 1-2 ".repeat(11_000));
await page.keyboard.press("Tab");
const longPrompt = await text("[role=alert]");

/** Controls of the page, each by its words; one of a group of radio buttons stands for all. */
const controls = `[...document.querySelectorAll(
    "a[href], button, input, select, textarea, summary, [tabindex='0']"
  )].filter((own) => !own.disabled && own.checkVisibility({ visibilityProperty: true }) &&
    own.closest("details:not([open]) > :not(summary)") === null &&
    (own.type !== "radio" || own.checked))`;

let reached = 0;

/** Walks through a view by the tabulator; the controls that it does not reach, or not visibly. */
async function walk(view: string): Promise<readonly string[]> {
  await page.evaluate(`
    globalThis.reached = new Set();
    globalThis.hidden = new Set();
    document.activeElement?.blur();
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute("tabindex");
  `);
  const count: number = await page.evaluate(`${controls}.length`);
  reached += count;
  for (let i = 0; i < count + 3; i++) {
    await page.keyboard.press("Tab");
    await page.evaluate(`{
      const own = document.activeElement;
      reached.add(own);
      const { outlineStyle, opacity } = getComputedStyle(own);
      const isFramed = outlineStyle !== "none" || own.matches("input, .skip");
      if (own !== document.body && !isFramed && opacity !== "0") hidden.add(own);
    }`);
  }
  const names: readonly string[] = await page.evaluate(`[
    ...${controls}.filter((own) => !reached.has(own)), ...hidden
  ].map((own) => own.outerHTML.slice(0, 120))`);
  return names.map((name) => `${view}: ${name}`);
}

// Every view by the keyboard alone.
const unreached: string[] = [];
await page.goto("about:blank");
await page.goto(`${url}#${small}`);
await stage(page, "done");
await page.keyboard.press("Tab");
await page.keyboard.press("Enter");
const skipped = [
  await page.evaluate<string>("location.hash"),
  await page.evaluate<string>("document.activeElement.id"),
] as const;
let from = "";
for (const view of ["Train", "Compose", "Believe", "Frozen Lake", "Your model"]) {
  await page.focus(`nav >> text=${view}`);
  await page.keyboard.press("Enter");
  if (view === "Believe") await page.waitForSelector(".model");
  if (view === "Frozen Lake") {
    await page.waitForSelector("#from");
    await page.click("button:text-is('Pause')");
    await page.focus("#from");
    await page.keyboard.press("ArrowDown");
    from = await text(".lakes dd");
  }
  unreached.push(...await walk(view));
}

// A folder that is dragged into the page, and one beside its place.
const drop = async (x: number, y: number) => {
  const session = await context.newCDPSession(page);
  const data = { items: [], files: [modelFolder], dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"] as const) {
    await session.send("Input.dispatchDragEvent", { type, x, y, data });
  }
};
await drop(640, 5);
await page.waitForTimeout(200);
const stray = new URL(page.url()).pathname;
const place = await page.locator(".drop").boundingBox();
await drop((place?.x ?? 0) + 20, (place?.y ?? 0) + 20);
await page.waitForSelector(".chat");
const dropped = await text(".drop [role=status]");

// The page that may read a hub.
await page.goto(`${hubUrl}#view=own&${small}`);
await page.fill(".hub input", "org/other");
await page.keyboard.press("Enter");
const noModel = await text("[role=alert]");
await page.fill(".hub input", "org/name");
await page.click(".hub button");
await page.waitForSelector(".chat");
const ofHub = await text(".drop [role=status]");
violations.push(...await audit(page, "hub"));
await paste(".tune textarea", `prompt,completion\n${many}`);
await page.fill(".tune .field:has-text('steps') >> input", "1");
await page.click("text=Train an adapter");
await page.waitForSelector(".downloads a");
const tuned = `${await text(".tune [role=status]")} ${await text(".notes")}`;
await page.selectOption(".device select", "webgpu");
await page.waitForSelector(".chat", { state: "detached" });
await page.waitForSelector(".chat");
await page.fill(".chat form input", "Hi");
await page.keyboard.press("Enter");
await page.waitForSelector("[data-doing=speaking]");
await page.click("text=Stop");
await page.waitForSelector("[data-doing=nothing]");
const turns = await page.locator(".turn").count();

// Little moves for those who want it so.
await page.emulateMedia({ reducedMotion: "reduce" });
await page.goto("about:blank");
await page.goto(`${url}#${small}&steps=2000`);
await until(page, async () => Number(await text("#step")) > 0);
const quietChanges: number = await page.evaluate(`new Promise((resolve) => {
  let changes = 0;
  new MutationObserver(() => changes++).observe(document.querySelector("#step"), {
    ...{ characterData: true, childList: true, subtree: true },
  });
  setTimeout(() => resolve(changes), 1500);
})`);
await browser.close();

const seen: Troubles = {
  ...{ complaints, elsewhere, software, isKept, alerts, manyRows, longPrompt, unreached, reached },
  ...{ skipped, from, dropped, stray, noModel, ofHub, turns, tuned, quietChanges, violations },
  curves: [wasm, webgpu],
};
console.log(JSON.stringify(seen));
