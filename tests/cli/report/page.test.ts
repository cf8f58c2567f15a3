import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { escapeHtml, figure, html, page, table } from "@unitune/cli";
import { curves } from "@unitune/cli/plot";
import fc from "fast-check";
import { requestsOf } from "../requests.ts";

Deno.test("escaped text has no markup, and is the text again when entities are read", () => {
  const entities: Readonly<Record<string, string>> = {
    "&amp;": "&",
    "&lt;": "<",
    "&gt;": ">",
    "&quot;": '"',
    "&#39;": "'",
  };
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const escaped = escapeHtml(text);
    assert(!/[<>"']/.test(escaped));
    assertEquals(escaped.replace(/&[a-z#0-9]+;/g, (entity) => entities[entity] ?? entity), text);
  }));
});

Deno.test("whatever is shown in a page, no text of it becomes markup", () => {
  const evil = `</title><script>alert(1)</script><img src=x onerror="alert(2)">`;
  const shown = page({
    title: evil,
    lead: html`<p>${evil}</p>`,
    sections: [{
      title: evil,
      body: html`${table({ header: [evil], rows: [[evil, evil]], caption: evil })}${
        figure((width) =>
          curves([{ name: evil, points: [{ x: 1, y: 1 }] }], {
            title: evil,
            width,
            x: { label: evil },
            y: { label: evil },
            reference: { value: 1, label: evil },
          }), evil)
      }`,
    }],
  });
  assertEquals([...shown.matchAll(/<script|<img/g)].length, 0);
  assert([...shown.matchAll(/&lt;script/g)].length > 10);
});

Deno.test("a page asks for nothing, and tells the browser so", () => {
  const draw = (width: number) =>
    curves([{ name: "a", points: [{ x: 1, y: 1 }, { x: 2, y: 2 }] }], {
      title: "t",
      width,
      x: { label: "x" },
      y: { label: "y" },
    });
  const shown = page({
    title: "A page",
    sections: [{ title: "One", body: figure(draw, "c") }, { title: "Two", body: html`` }],
    script: "document.title = 'x'",
  });
  assertEquals(requestsOf(shown), []);
  assertStringIncludes(shown, "default-src &#39;none&#39;");
  assertStringIncludes(shown, `<a href="#two">Two</a>`);
});

Deno.test("what would be fetched is found", () => {
  for (
    const text of [
      `<img src="//host/a.png">`,
      `<link rel=stylesheet href='https://host/a.css'>`,
      `<style>@import "a.css"</style>`,
      `<style>a{background:url(a.png)}</style>`,
      `<use href="other.svg#a">`,
      `<script src=a.js></script>`,
    ]
  ) assertEquals(requestsOf(text).length, 1, text);
});

Deno.test("a script that would end its element is refused", () => {
  for (const script of ["'</script>'", "'<!--'"]) {
    assertThrows(() => page({ title: "t", sections: [], script }), TypeError, "the script");
  }
});
