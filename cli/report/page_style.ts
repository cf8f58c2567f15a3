/**
 * The style of every page: colours for light and dark screens, type, tables, figures, and rules for
 * phones and paper.
 *
 * @module
 */

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
  `--accent:#0b62a8;--shade:#0003;--bar:#0b62a833;--good:#0a6b3d;--bad:#a8243f;${seriesColors(0)}`;

const DARK = `--text:#e4e8ec;--quiet:#a2acb6;--line:#3a424b;--back:#14181c;--panel:#1e242a;` +
  `--accent:#6cb2f0;--shade:#fff4;--bar:#6cb2f044;--good:#58c98f;--bad:#ff8aa0;${seriesColors(1)}`;

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
border-radius:3px;white-space:pre-wrap}
td code,th code{white-space:pre}
nav ul{display:flex;flex-wrap:wrap;gap:4px 18px;list-style:none;margin:16px 0 0;padding:0;
max-width:none}
.table{overflow-x:auto;margin:0 0 16px;max-width:100%;width:fit-content;background:
linear-gradient(90deg,var(--back) 40%,transparent) 0 0/60px 100% no-repeat local,
linear-gradient(270deg,var(--back) 40%,transparent) 100% 0/60px 100% no-repeat local,
linear-gradient(90deg,var(--shade),transparent) 0 0/16px 100% no-repeat scroll,
linear-gradient(270deg,var(--shade),transparent) 100% 0/16px 100% no-repeat scroll}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
caption{text-align:left;color:var(--quiet);padding:0 0 6px;max-width:calc(100vw - 40px)}
th,td{padding:5px 12px 5px 0;text-align:right;border-bottom:1px solid var(--line);
white-space:nowrap}
th[scope=row],thead th:first-child,.text{text-align:left}
th[scope=row]{font-weight:500;position:sticky;left:0;background:var(--back)}
.texts{width:100%;margin:0 0 16px}
.texts th,.texts td{text-align:left;vertical-align:top;white-space:normal}
.texts td:has(code){min-width:9rem}
.texts td:not(:has(code)){white-space:nowrap}
.texts code{white-space:pre-wrap;overflow-wrap:anywhere;-webkit-box-decoration-break:clone;
box-decoration-break:clone}
.right{color:var(--good)}
.wrong{color:var(--bad)}
.quiet{color:var(--quiet)}
.verdict{font-size:1.1rem}
.chance{display:inline-block;min-width:52px;background:linear-gradient(90deg,var(--bar) calc(100%*var(--p)),transparent 0);
padding:1px 3px;border-radius:3px}
.more{margin:0 0 14px}
.more summary{cursor:pointer;color:var(--accent)}
.facts{display:flex;flex-wrap:wrap;gap:8px 28px;max-width:none}
.facts dt{color:var(--quiet);font-size:.82rem}
.facts dd{margin:0;overflow-wrap:anywhere}
.terms{display:grid;grid-template-columns:max-content 1fr;gap:6px 20px;max-width:none;font-size:.9rem}
.terms dd{margin:0;max-width:68ch}
thead th{color:var(--quiet);font-weight:500;vertical-align:bottom}
figure{margin:0 0 20px}
figcaption{margin-top:6px;color:var(--quiet);font-size:.9rem;max-width:68ch}
figure svg{display:block;max-width:100%;height:auto}
.panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(340px,100%),1fr));
gap:8px 24px;margin:0 0 16px}
.panels figure{margin:0 0 12px;min-width:0}
.panels h3{margin:8px 0 4px}
.panels figcaption{font-size:.82rem;line-height:1.4}
.at input{appearance:none;display:block;width:100%;height:100%;margin:0;outline:0}
.at>g{visibility:hidden;pointer-events:none}
.at:hover>g,.at:has(:focus-visible)>g{visibility:visible}
.at path{stroke:var(--quiet)}
.at g>rect{fill:var(--back);stroke:var(--line)}
.narrow{display:none}
@media screen and (max-width:560px){
body{padding:16px 14px 48px}
.terms{display:block}
.texts thead{display:none}
.texts tr{display:block;padding:8px 0;border-bottom:1px solid var(--line)}
.texts tr>td{display:block;min-width:0;border:0;padding:2px 4px 2px 0;white-space:normal}
.texts td:empty{display:none}
.texts td::before{content:attr(data-label);display:block;color:var(--quiet);font-size:.82rem}
.terms dd{margin:2px 0 10px}
.wide{display:none}
.narrow{display:block}
}
@media print{
:root{font-size:9.5pt}
body{max-width:none;padding:0;font-size:1rem}
.panels{grid-template-columns:1fr 1fr}
nav{display:none}
figure,tr{break-inside:avoid}
h2,h3{break-after:avoid}
.table{overflow:visible;background:none}
.table .text,.table code{white-space:normal;overflow-wrap:anywhere}
table{font-size:.85rem}
th,td{padding:3px 8px 3px 0}
.at{display:none}
a{color:inherit}
}
`;
