/** The rules of accessibility, for programs that use a browser. */
import axe from "npm:axe-core@4.14.1";
import type { Page } from "npm:playwright-core@1.65.1";

/** A rule that is violated, and the markup that does so. */
interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string }[];
}

/** The rules of axe-core that a page violates, each with the first place. */
export async function violationsOf(page: Page): Promise<readonly string[]> {
  // The policy of a page may forbid it to evaluate a text, but not the browser.
  await page.evaluate(axe.source);
  const found: readonly Violation[] = await page.evaluate(
    `axe.run().then(({ violations }) => violations.map(({ id, nodes }) => ({
      id, nodes: nodes.map(({ html }) => ({ html })) })))`,
  );
  return found.map(({ id, nodes }) => `${id}: ${nodes[0]?.html ?? ""}`);
}
