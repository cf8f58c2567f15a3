/**
 * Self-contained HTML pages: one file, which makes no requests. They suit light and dark screens,
 * phones, desks and paper.
 *
 * @example
 * ```ts
 * import { html, page, table } from "@unitune/cli";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const text = page({
 *   title: "A comparison",
 *   sections: [{
 *     title: "Results",
 *     body: html`<p>${"a < b"}</p>${table({ header: ["objective", "loss"], rows: [["sft", 0.5]] })}`,
 *   }],
 * });
 * assertStringIncludes(text, "a &lt; b");
 * ```
 *
 * @module
 */

import { printableLines } from "@unitune/core";

/** Markup that is inserted into a page without escaping. */
export interface Html {
  /** The markup. */
  readonly html: string;
}

/** The values that {@linkcode html} accepts between its pieces of markup. */
export type HtmlContent = Html | string | number | readonly HtmlContent[];

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/**
 * Escapes a text for HTML, XML and quoted attributes.
 *
 * @param text The text.
 * @returns The escaped text.
 *
 * @example
 * ```ts
 * import { escapeHtml } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(escapeHtml("<b> & 'c'"), "&lt;b&gt; &amp; &#39;c&#39;");
 * ```
 */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}

function markupOf(content: HtmlContent): string {
  // Control characters are not allowed in HTML; overrides of direction would affect the text
  // around.
  if (typeof content === "string") return escapeHtml(printableLines(content));
  if (typeof content === "number") return String(content);
  return "html" in content ? content.html : content.map(markupOf).join("");
}

/**
 * Makes markup from a template: interpolated texts are escaped, interpolated markup is not.
 *
 * @param pieces The pieces of the template.
 * @param contents The interpolated values.
 * @returns The markup.
 *
 * @example
 * ```ts
 * import { html } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const items = ["<1>", "2"].map((item) => html`<li>${item}</li>`);
 * assertEquals(html`<ul>${items}</ul>`.html, "<ul><li>&lt;1&gt;</li><li>2</li></ul>");
 * ```
 */
export function html(pieces: TemplateStringsArray, ...contents: readonly HtmlContent[]): Html {
  const text = pieces.map((piece, i) => {
    const content = contents[i];
    return content === undefined ? piece : piece + markupOf(content);
  });
  return { html: text.join("") };
}

/**
 * Shows a prompt or an answer verbatim.
 *
 * @param text The text.
 * @returns The markup; the sign ∅ for an empty text.
 *
 * @example
 * ```ts
 * import { verbatim } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([verbatim("a<b").html, verbatim("").html], ["<code>a&lt;b</code>", "∅"]);
 * ```
 */
export function verbatim(text: string): Html {
  return text === "" ? html`∅` : html`<code>${text}</code>`;
}

/** The cells of a table. */
export interface TableContent {
  /** The headings of the columns. */
  readonly header: readonly HtmlContent[];
  /**
   * The rows. The first cell of each is its name. Columns with words or markup are aligned to the
   * left, columns of numbers to the right.
   */
  readonly rows: readonly (readonly HtmlContent[])[];
  /** The caption (default: none). */
  readonly caption?: HtmlContent;
}

/**
 * Makes a table, which scrolls if it is wider than the page.
 *
 * @param content The cells.
 * @returns The markup.
 *
 * @example
 * ```ts
 * import { table } from "@unitune/cli";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const { html } = table({ header: ["", "loss"], rows: [["sft", 0.5]] });
 * assertStringIncludes(html, `<th scope="row">sft</th><td>0.5</td>`);
 * ```
 */
export function table({ header, rows, caption }: TableContent): Html {
  const isText = header.map((_, i) => rows.some((row) => isWords(row[i] ?? "")));
  const attributes = (i: number) => ({ html: isText[i] ? ` class="text"` : "" });
  const head = header.map((cell, i) =>
    html`
      <th scope="col" ${attributes(i)}>${cell}</th>
    `
  );
  const body = rows.map(([name = "", ...cells]) => {
    const rest = cells.map((cell, i) => html`<td${attributes(i + 1)}>${cell}</td>`);
    return html`<tr><th scope="row">${name}</th>${rest}</tr>`;
  });
  const above = caption === undefined ? [] : html`<caption>${caption}</caption>`;
  return html`
    <div class="table">
      <table>${above}<thead><tr>${head}</tr></thead>
    <tbody>${body}</tbody></table>
    </div>
  `;
}

/** Tells whether a cell holds words or markup rather than a number. */
function isWords(cell: HtmlContent): boolean {
  return typeof cell === "string"
    ? /\p{L}{2}/u.test(cell) && cell !== "NaN"
    : typeof cell === "object";
}

/**
 * Makes a figure, drawn twice, for desks and for phones, so that its text has the same size on
 * both.
 *
 * @param draw Draws the figure in a width, as an `svg` element.
 * @param caption The caption.
 * @returns The markup.
 *
 * @example
 * ```ts
 * import { figure } from "@unitune/cli";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const { html } = figure((width) => `<svg width="${width}"></svg>`, "Nothing, twice");
 * assertStringIncludes(html, "<figcaption>Nothing, twice</figcaption>");
 * ```
 */
export function figure(draw: (width: number) => string, caption: HtmlContent): Html {
  const [wide, narrow] = [{ html: draw(WIDE) }, { html: draw(NARROW) }];
  return html`
    <figure>
      <div class="wide">${wide}</div>
      <div class="narrow">${narrow}</div>
      <figcaption>${caption}</figcaption>
    </figure>
  `;
}

/** The widths of figures, in pixels. */
const [WIDE, NARROW] = [720, 360] as const;

/** A section of a page. */
export interface PageSection {
  /** The heading, which is also the target of links. */
  readonly title: string;
  /** The content. */
  readonly body: Html;
}

/** The content of a page. */
export interface PageContent {
  /** The title. */
  readonly title: string;
  /** The introduction before the sections (default: none). */
  readonly lead?: Html;
  /** The sections. */
  readonly sections: readonly PageSection[];
  /** Further style rules, which may use the custom properties of the page (default: none). */
  readonly style?: string;
  /** A script at the end (default: none). The page must make sense without it. */
  readonly script?: string;
}

/** The id of a section, from its heading. */
function anchor(title: string): string {
  return title.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "");
}

/**
 * Makes a page: title, table of contents, sections. Its policy forbids all requests.
 *
 * @param content The content.
 * @returns The text of the HTML file.
 * @throws {TypeError} If the style or the script contains the end of its element.
 *
 * @example
 * ```ts
 * import { html, page } from "@unitune/cli";
 * import { assert } from "@std/assert";
 *
 * const text = page({ title: "T", sections: [{ title: "First", body: html`<p>1</p>` }] });
 * assert(text.startsWith("<!doctype html>"));
 * assert(text.includes(`<section id="first">`));
 * ```
 */
export function page({ title, lead, sections, style = "", script = "" }: PageContent): string {
  for (const [name, text] of Object.entries({ style, script })) {
    if (/<\/(?:style|script)|<!--/i.test(text)) {
      throw new TypeError(`page: the ${name} would end its element; write < as \\u003c in it`);
    }
  }
  const contents = sections.map(({ title }) =>
    html`<li><a href="#${anchor(title)}">${title}</a></li>`
  );
  const body = sections.map(({ title, body }) =>
    html`
      <section id="${anchor(title)}">
      <h2>${title}</h2>
      ${body}
      </section>
    `
  );
  const navigation = sections.length < 2 ? [] : html`
    <nav>
      <ul>${contents}</ul>
    </nav>
  `;
  const program = script === "" ? [] : html`<script>${{ html: script }}</script>\n`;
  const { html: text } = html`
    <!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta http-equiv="Content-Security-Policy" content="${POLICY}">
        <meta name="color-scheme" content="light dark">
        <title>${title}</title>
        <style>${{ html: pageStyle + style }}</style>
      </head>
      <body>
    <header>
    <h1>${title}</h1>
    ${lead ?? []}
    ${navigation}
    </header>
    <main>
    ${body}</main>
    ${program}</body>
    </html>
  `;
  return `${text.trim()}\n`;
}

/** The policy: no requests; styles and scripts only from the page itself. */
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/** The colours of series, each with a contrast of at least 4.5 on its background. */
const series: readonly (readonly [light: string, dark: string])[] = [
  ["#0b62a8", "#6cb2f0"],
  ["#b34700", "#f29552"],
  ["#00735a", "#45c9a3"],
  ["#8a3a9c", "#d58fe6"],
  ["#7a6000", "#dfc04a"],
  ["#b3264a", "#ff8aa0"],
  ["#007184", "#56cadb"],
  ["#5c646e", "#a9b2bd"],
];

const seriesColors = (shade: 0 | 1): string =>
  series.map((shades, i) => `--series-${i}:${shades[shade]};`).join("");

const LIGHT = `--text:#1c2024;--quiet:#59626c;--line:#d5dae0;--back:#fff;--panel:#f4f6f8;` +
  `--accent:#0b62a8;${seriesColors(0)}`;

const DARK = `--text:#e4e8ec;--quiet:#a2acb6;--line:#3a424b;--back:#14181c;--panel:#1e242a;` +
  `--accent:#6cb2f0;${seriesColors(1)}`;

/**
 * The style of every page: colours for light and dark screens, type, tables, and rules for phones
 * and paper. Pages elsewhere that are to look alike begin with it.
 *
 * @example
 * ```ts
 * import { pageStyle } from "@unitune/cli";
 * import { assertStringIncludes } from "@std/assert";
 *
 * assertStringIncludes(pageStyle, "--accent:");
 * ```
 */
export const pageStyle: string = `
:root{${LIGHT}color-scheme:light dark}
@media screen and (prefers-color-scheme:dark){:root{${DARK}}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:860px;padding:24px 20px 64px;background:var(--back);color:var(--text);
font:16px/1.55 system-ui,sans-serif;overflow-wrap:break-word}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 12px}
h2{font-size:1.25rem;line-height:1.3;margin:44px 0 12px;padding-top:12px;
border-top:1px solid var(--line)}
h3{font-size:1rem;margin:24px 0 8px}
p,ul,ol,dl{margin:0 0 14px;max-width:68ch}
a{color:var(--accent)}
code{font-family:ui-monospace,monospace;font-size:.9em;background:var(--panel);padding:1px 4px;
border-radius:3px}
td code,th code{white-space:pre}
nav ul{display:flex;flex-wrap:wrap;gap:4px 18px;list-style:none;margin:16px 0 0;padding:0;
max-width:none}
.table{overflow-x:auto;margin:0 0 16px}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
caption{text-align:left;color:var(--quiet);padding:0 0 6px;max-width:calc(100vw - 40px)}
th,td{padding:5px 12px 5px 0;text-align:right;border-bottom:1px solid var(--line);
white-space:nowrap}
th[scope=row],thead th:first-child,.text{text-align:left}
th[scope=row]{font-weight:500}
.terms{display:grid;grid-template-columns:max-content 1fr;gap:6px 20px;max-width:none;font-size:.9rem}
.terms dd{margin:0;max-width:68ch}
thead th{color:var(--quiet);font-weight:500;vertical-align:bottom}
figure{margin:0 0 20px}
figcaption{margin-top:6px;color:var(--quiet);font-size:.9rem;max-width:68ch}
figure svg{display:block;max-width:100%;height:auto}
.narrow{display:none}
@media screen and (max-width:560px){
body{padding:16px 14px 48px}
th[scope=row]{position:sticky;left:0;background:var(--back)}
.terms{display:block}
.terms dd{margin:2px 0 10px}
.wide{display:none}
.narrow{display:block}
}
@media print{
body{max-width:none;padding:0;font-size:10pt}
nav{display:none}
figure,tr{break-inside:avoid}
h2,h3{break-after:avoid}
.table{overflow:visible}
a{color:inherit}
}
`;
