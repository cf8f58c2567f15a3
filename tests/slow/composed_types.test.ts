/** What the playground says of three parts is what the type checker says of their expression. */
import { assertEquals } from "@std/assert";
import { codeOf } from "../../examples/playground/compose/composition.ts";
import { compareEvidence } from "../../examples/playground/compose/evidence.ts";
import {
  optimizationParts,
  signalParts,
  statesParts,
} from "../../examples/playground/compose/parts.ts";

const package_ = new URL("../../objectives/mod.ts", import.meta.url);

/** Every combination as a line, those whose evidence does not fit below an expected error. */
function linesOf(): string[] {
  return statesParts.flatMap((states) =>
    signalParts.flatMap((signal) =>
      optimizationParts.flatMap((optimization) => {
        const { missing, ignored } = compareEvidence(signal.gives, optimization.needs);
        const fits = missing.length + ignored.length === 0;
        const code = codeOf({ states, signal, optimization }).replace(/\s+/g, " ");
        return [...fits ? [] : ["// @ts-expect-error: the evidence does not fit"], `${code};`];
      })
    )
  );
}

Deno.test("evidence fits where the types do", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/combinations.ts`;
    const used = /\b[a-z][A-Za-z]*(?=\(|,|\)|\.)/g;
    const lines = linesOf();
    const objectives: Readonly<Record<string, unknown>> = await import("@unitune/objectives");
    const names = new Set(
      lines.flatMap((line) => line.match(used) ?? []).filter((name) => name in objectives),
    );
    await Deno.writeTextFile(
      file,
      `import { ${[...names].join(", ")}, type Model } from "${package_.href}";\n` +
        `declare const model: Model;\n${lines.join("\n")}\n`,
    );
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--quiet", "--config=deno.json", file],
      cwd: new URL("../../", import.meta.url),
      env: { NO_COLOR: "1" },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr).slice(0, 2000));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
