/** Looks at reports in headless Chromium and prints what it saw, as JSON. */
import { launch } from "../../launch.ts";
import { violationsOf } from "../../violations.ts";

/** What was seen of a page in one of its looks. */
export interface View {
  /** The rules of accessibility that it violates. */
  readonly violations: readonly string[];
  /** How much wider than the screen or the paper it is, in pixels. */
  readonly overflow: number;
  /** Texts of drawings that stand beyond the edges of their drawing. */
  readonly cut: readonly string[];
  /** Cells with a text that is cut or too narrow for a word of six letters. */
  readonly narrow: readonly string[];
  /** Elements that answers and names have become. */
  readonly strange: number;
  /** What moves by itself. */
  readonly animations: number;
  /** What is printed of the columns of values. */
  readonly printed: number;
}

/** What was seen of a page. */
export interface Seen {
  /** Its looks by name. */
  readonly views: Readonly<Record<string, View>>;
  /** The values that are shown as the keyboard goes through the first drawing, and that are heard. */
  readonly keyboard: readonly { readonly shown: string; readonly heard: string }[];
  /** Lines of the console and errors. */
  readonly complaints: readonly string[];
}

/** The looks of a page: its width in pixels, and its colours. A sheet of A4 has 680 pixels. */
const looks = [
  { name: "wide", width: 1100, colorScheme: "light", media: "screen" },
  { name: "dark", width: 1100, colorScheme: "dark", media: "screen" },
  { name: "phone", width: 400, colorScheme: "light", media: "screen" },
  { name: "paper", width: 680, colorScheme: "light", media: "print" },
] as const;

/** Texts of drawings beyond their edges, by a pixel or more. */
const CUT = `[...document.querySelectorAll("svg.plot")].flatMap((plot) => {
  const frame = plot.getBoundingClientRect();
  return [...plot.querySelectorAll("text")].filter((text) => !text.closest(".at")).flatMap((text) => {
    const { left, right, top, bottom } = text.getBoundingClientRect();
    const isInside = left > frame.left - 1 && right < frame.right + 1 && top > frame.top - 1 &&
      bottom < frame.bottom + 1;
    return isInside ? [] : [plot.getAttribute("aria-label") + ": " + text.textContent];
  });
})`;

/** Cells of texts that are cut, or narrower than a word; 50 pixels are about six letters. */
const NARROW = `[...document.querySelectorAll(".texts td")].flatMap((cell) => {
  const isWhole = cell.scrollWidth <= cell.clientWidth + 1;
  const hasRoom = cell.textContent === "" || cell.clientWidth >= 50;
  return isWhole && hasRoom ? [] : [cell.textContent.slice(0, 20)];
})`;

const [command = "", ...paths] = Deno.args;
const browser = await launch(command);
const page = await browser.newPage();
// Only where something is wrong does anything take so long.
page.setDefaultTimeout(120_000);
let complaints: string[] = [];
page.on("console", (line) => complaints.push(line.text()));
page.on("pageerror", ({ message }) => complaints.push(message));

/** What the keyboard finds in the first drawing: its first columns. */
async function byKeyboard(): Promise<Seen["keyboard"]> {
  const first = page.locator(".at input:visible").first();
  if (await first.count() === 0) return [];
  await first.focus();
  const found: { readonly shown: string; readonly heard: string }[] = [];
  // The first key shows that the focus is the keyboard's.
  for (const key of ["ArrowRight", "ArrowRight", "ArrowLeft"]) {
    await page.keyboard.press(key);
    found.push(
      await page.evaluate(`({
        shown: [...document.querySelectorAll(".at > g")]
          .filter((one) => getComputedStyle(one).visibility === "visible")
          .map((one) => [...one.querySelectorAll("text")].map((text) => text.textContent).join("|"))
          .join(),
        heard: document.activeElement.getAttribute("aria-label"),
      })`),
    );
  }
  return found;
}

/** Looks at a page in one of its looks. */
async function look(
  path: string,
  { width, colorScheme, media }: typeof looks[number],
): Promise<View> {
  await page.setViewportSize({ width, height: 800 });
  await page.emulateMedia({ colorScheme, media });
  await page.goto(`file://${path}`);
  return {
    // What is printed has nothing to focus or to read aloud.
    violations: media === "print" ? [] : await violationsOf(page),
    overflow: await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth"),
    cut: await page.evaluate<readonly string[]>(CUT),
    narrow: await page.evaluate<readonly string[]>(NARROW),
    strange: await page.evaluate<number>("document.querySelectorAll('script, img, b').length"),
    animations: await page.evaluate<number>("document.getAnimations().length"),
    printed: media === "print" ? await page.locator(".at input:visible").count() : 0,
  };
}

/** What is seen of a page. */
async function seenOf(path: string): Promise<Seen> {
  complaints = [];
  const views: Record<string, View> = {};
  let keyboard: Seen["keyboard"] = [];
  for (const own of looks) {
    views[own.name] = await look(path, own);
    if (own.name === "wide") keyboard = await byKeyboard();
  }
  return { views, keyboard, complaints };
}

const seen: Seen[] = [];
for (const path of paths) seen.push(await seenOf(path));
await browser.close();
console.log(JSON.stringify(seen));
