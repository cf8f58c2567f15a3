/**
 * The plans of all studies, in both of their forms, in words and by their digests. Run as a program,
 * this writes `plans.txt`, which the test beside it compares with them:
 *
 *     deno run -A tests/cli/study/plans.ts
 */
import { planMarkdown } from "../../../cli/study/plan_text.ts";
import { studies } from "../../../cli/study/studies.ts";

/** The place of the plans that were last looked at. */
export const known = new URL("plans.txt", import.meta.url);

/** All plans, each below its name. */
export function plans(): string {
  return Object.entries(studies).flatMap(([name, forms]) =>
    (["whole", "quick"] as const).map((form) =>
      `# ${name}, ${form}\n\n${planMarkdown(forms[form])}`
    )
  ).join("\n");
}

if (import.meta.main) await Deno.writeTextFile(known, plans());
