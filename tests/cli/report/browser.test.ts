/** Reports as a browser shows them: accessible, nothing cut, at any width, and by keyboard. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runRecordPage } from "../../../cli/report/run_page.ts";
import { studyRecordPage } from "../../../cli/study/study_page.ts";
import { findBrowser, useBrowser } from "../../browser.ts";
import type { Seen } from "./browser.ts";
import { extremes, hardTexts } from "./extremes.ts";
import { run, study } from "./records.ts";

const browser = await findBrowser();
if (browser === undefined) {
  console.warn("reports are not looked at: there is no Chromium to run");
}

Deno.test({
  name: "reports: accessible, whole at any width and on paper, and read by keyboard",
  ignore: browser === undefined,
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const shown = {
        run: runRecordPage(run),
        study: studyRecordPage(study),
        extremes: runRecordPage(extremes),
      };
      const paths: string[] = [];
      for (const [name, page] of Object.entries(shown)) {
        const path = `${folder}/${name}.html`;
        await Deno.writeTextFile(path, page);
        paths.push(path);
      }
      const seen: readonly Seen[] = JSON.parse(
        await useBrowser("cli/report/browser.ts", browser ?? "", [browser ?? "", ...paths]),
      );
      for (const [i, name] of Object.keys(shown).entries()) {
        const { views = {}, keyboard = [], complaints } = seen[i] ?? {};
        assertEquals(complaints, [], name);
        assertEquals(Object.keys(views), ["wide", "dark", "phone", "paper"]);
        for (const [look, view] of Object.entries(views)) {
          assertEquals(view, {
            ...{ violations: [], overflow: 0, cut: [], narrow: [] },
            ...{ strange: 0, animations: 0, printed: 0 },
          }, `${name}, ${look}`);
        }
        assertEquals(keyboard.length, 3, name);
        // What is seen is heard, and the way back leads where the way there began.
        for (const { shown, heard } of keyboard) {
          const [place = "", ...values] = shown.split("|");
          assert(values.length > 0, shown);
          assertEquals(heard, `${place}: ${values.join("; ")}`);
        }
        assertEquals(keyboard[2], keyboard[0]);
        assert(keyboard[1]?.heard !== keyboard[0]?.heard);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("answers stand in a page in full, and as text", () => {
  const page = runRecordPage(extremes);
  const entities = { "<": "&lt;", ">": "&gt;" } as const;
  for (const text of hardTexts) {
    const escaped = text.replace(/[<>]/g, (sign) => sign === "<" ? entities["<"] : entities[">"]);
    assertStringIncludes(page, text === "" ? "∅" : `<code dir="auto">${escaped}</code>`);
  }
});
