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
import { pageStyle } from "./page_style.ts";

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
 * Shows a prompt or an answer verbatim. Its first letter decides whether it is read from the left or
 * from the right, and what is around it keeps its own direction.
 *
 * @param text The text.
 * @returns The markup; the sign ∅ for an empty text.
 *
 * @example
 * ```ts
 * import { verbatim } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([verbatim("a<b").html, verbatim("").html], [`<code dir="auto">a&lt;b</code>`, "∅"]);
 * ```
 */
export function verbatim(text: string): Html {
  return text === "" ? html`∅` : html`<code dir="auto">${text}</code>`;
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
 * Makes a table. If it is wider than the page, it scrolls: shadows at its sides say so, and its
 * first column stays.
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
  // An empty cell is the heading of nothing.
  const head = header.map((cell, i) =>
    cell === "" ? html`<td></td>` : html`
      <th scope="col" ${attributes(i)}>${cell}</th>
    `
  );
  const body = rows.map(([name = "", ...cells]) => {
    const rest = cells.map((cell, i) => html`<td${attributes(i + 1)}>${cell}</td>`);
    return html`<tr><th scope="row">${name}</th>${rest}</tr>`;
  });
  const above = caption === undefined ? [] : html`<caption>${caption}</caption>`;
  return html`
    <div class="table" tabindex="0">
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

/** The cells of a table of texts. */
export interface TextTableContent {
  /** The headings of the columns. */
  readonly header: readonly string[];
  /** The rows. */
  readonly rows: readonly (readonly HtmlContent[])[];
  /** The caption (default: none). */
  readonly caption?: HtmlContent;
}

/**
 * Makes a table of texts such as prompts and answers. Long texts are broken into lines and never
 * cut; on phones, each cell is a line of its own below its heading.
 *
 * @param content The cells.
 * @returns The markup.
 *
 * @example
 * ```ts
 * import { textTable, verbatim } from "@unitune/cli";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const { html } = textTable({ header: ["prompt", "answer"], rows: [["1+1", verbatim("2")]] });
 * assertStringIncludes(html, `<td data-label="answer"><code dir="auto">2</code></td>`);
 * ```
 */
export function textTable({ header, rows, caption }: TextTableContent): Html {
  const head = header.map((name) => html`<th scope="col">${name}</th>`);
  const body = rows.map((cells) => {
    const row = cells.map((cell, i) => html`<td data-label="${header[i] ?? ""}">${cell}</td>`);
    return html`<tr>${row}</tr>`;
  });
  const above = caption === undefined ? [] : html`<caption>${caption}</caption>`;
  return html`
    <table class="texts">${above}<thead><tr>${head}</tr></thead>
    <tbody>${body}</tbody></table>
  `;
}

/**
 * Makes a list of terms with their explanations.
 *
 * @param entries The terms, each with its explanation.
 * @returns The markup.
 *
 * @example
 * ```ts
 * import { terms } from "@unitune/cli";
 * import { assertStringIncludes } from "@std/assert";
 *
 * assertStringIncludes(terms([["loss", "what is minimized"]]).html, "<dt>loss</dt>");
 * ```
 */
export function terms(entries: readonly (readonly [HtmlContent, HtmlContent])[]): Html {
  const items = entries.map(([term, meaning]) => html`<dt>${term}</dt><dd>${meaning}</dd>\n`);
  return html`<dl class="terms">\n${items}</dl>\n`;
}

/**
 * Makes facts, each with its name above it, side by side.
 *
 * @param entries The names, each with its fact.
 * @returns The markup.
 *
 * @example
 * ```ts
 * import { facts } from "@unitune/cli";
 * import { assertStringIncludes } from "@std/assert";
 *
 * assertStringIncludes(facts([["steps", "400"]]).html, "<dd>400</dd>");
 * ```
 */
export function facts(entries: readonly (readonly [HtmlContent, HtmlContent])[]): Html {
  const items = entries.map(([name, fact]) => {
    const pair = html`
      <dt>${name}</dt>
      <dd>${fact}</dd>
    `;
    return html`<div>${pair}</div>`;
  });
  return html`<dl class="facts">${items}</dl>`;
}

/**
 * Makes a part that is unfolded by a click.
 *
 * @param summary The line that is always shown.
 * @param body The rest.
 * @returns The markup.
 *
 * @example
 * ```ts
 * import { details, html } from "@unitune/cli";
 * import { assertStringIncludes } from "@std/assert";
 *
 * assertStringIncludes(details("More", html`<p>1</p>`).html, "<summary>More</summary>");
 * ```
 */
export function details(summary: HtmlContent, body: Html): Html {
  return html`<details class="more">\n<summary>${summary}</summary>\n${body}</details>\n`;
}

/** A small plot with its heading. */
export interface Panel {
  /** The heading. */
  readonly title: string;
  /** Draws the plot in a width, as an `svg` element. */
  readonly draw: (width: number) => string;
  /** The caption (default: none). */
  readonly caption?: HtmlContent;
}

/**
 * Makes small plots side by side, as many in a row as there is room for.
 *
 * @param content The plots.
 * @returns The markup.
 *
 * @example
 * ```ts
 * import { panels } from "@unitune/cli";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const draw = (width: number) => `<svg width="${width}"></svg>`;
 * assertStringIncludes(panels([{ title: "Loss", draw }]).html, "<h3>Loss</h3>");
 * ```
 */
export function panels(content: readonly Panel[]): Html {
  const drawn = content.map(({ title, draw, caption }) => {
    const below = caption === undefined ? [] : html`<figcaption>${caption}</figcaption>\n`;
    return html`<figure>\n<h3>${title}</h3>\n${{ html: draw(PANEL) }}\n${below}</figure>\n`;
  });
  return html`<div class="panels">\n${drawn}</div>\n`;
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

/** The widths of figures, and of one of several side by side, in pixels. */
const [WIDE, NARROW, PANEL] = [820, 370, 398] as const;

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
