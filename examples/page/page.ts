/** A page that trains: `deno bundle --platform browser examples/page/page.ts -o page.js`. */
import { wasm } from "@unitune/core";
import { train } from "@unitune/training";
import { planTask } from "./training.ts";

declare const document: { getElementById(id: string): { textContent: string } };

for await (const event of train(await planTask(wasm()))) {
  const show = (id: string, text: string) => document.getElementById(id).textContent = text;
  if (event.kind === "metrics") show("loss", `${event.step}: ${event.metrics.loss}`);
  if (event.kind !== "evaluation") continue;
  const [answer] = event.report.answers;
  show("answer", `${event.step}: ${answer?.question.prompt} → ${answer?.text}`);
}
