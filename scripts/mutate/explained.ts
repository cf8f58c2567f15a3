/** Mutants that are no faults, each with its reason. */
import type { Mutant } from "./mutants.ts";
import { ts } from "./typescript.ts";

/** The place of mutants that are no faults, and the reason. */
interface Explanation {
  /** The file, as a path from the root. */
  readonly file: string;
  /** The functions and constants around the change: `makeTensor.item`. */
  readonly inside: string;
  /** The reason why no test can tell a mutant from the code. */
  readonly because: string;
}

/** A mutant equivalent to the code, identified by parts that survive edits elsewhere. */
export interface EqualChange extends Explanation {
  /** The change as a line of code, or several, without indentation. */
  readonly before: string;
  /** The line of the mutant in its place. */
  readonly after: string;
}

/**
 * A constant that was measured, not derived: it chooses between ways to the same results, and decides
 * when these come, or how much memory they take. All of its mutants are explained. The code that
 * decides by it is not, nor is a constant that is more than numbers, see {@linkcode isMeasured}.
 */
export interface Tuning extends Explanation {
  /** The constant's name at the level of the file, or the path to what a table has: `costs.exp`. */
  readonly inside: string;
}

/** Lines without their indentation. */
const flush = (lines: string) => lines.split("\n").map((line) => line.trim()).join("\n");

/** Whether an explanation is about a mutant. */
export function explains(
  explanation: EqualChange | Tuning,
  mutant: Pick<Mutant, "file" | "inside" | "before" | "after">,
): boolean {
  if (explanation.file !== mutant.file) return false;
  if (!("before" in explanation)) return `${mutant.inside}.`.startsWith(`${explanation.inside}.`);
  return explanation.inside === mutant.inside && explanation.before === flush(mutant.before) &&
    explanation.after === flush(mutant.after);
}

/** Numbers, what is computed from them, and tables of them. */
function isOfNumbers(node: ts.Expression): boolean {
  if (ts.isNumericLiteral(node)) return true;
  if (ts.isBinaryExpression(node)) return isOfNumbers(node.left) && isOfNumbers(node.right);
  if (ts.isAsExpression(node)) return isOfNumbers(node.expression);
  return ts.isObjectLiteralExpression(node) &&
    node.properties.every((property) =>
      ts.isPropertyAssignment(property) && isOfNumbers(property.initializer)
    );
}

/** What stands in a table under a name. */
function entryOf(node: ts.Expression | undefined, name: string): ts.Expression | undefined {
  if (node === undefined || !ts.isObjectLiteralExpression(node)) return undefined;
  return node.properties.flatMap((property) =>
    ts.isPropertyAssignment(property) && ts.isIdentifier(property.name) &&
      property.name.text === name
      ? [property.initializer]
      : []
  )[0];
}

/** Whether a file has a constant of a name, or a table with a path, that is made of numbers alone. */
export function isMeasured(text: string, path: string): boolean {
  const [name, ...inner] = path.split(".");
  const { statements } = ts.createSourceFile("", text, ts.ScriptTarget.Latest);
  return statements.some((statement) =>
    ts.isVariableStatement(statement) &&
    (statement.declarationList.flags & ts.NodeFlags.Const) !== 0 &&
    statement.declarationList.declarations.some((declaration) => {
      if (!ts.isIdentifier(declaration.name) || declaration.name.text !== name) return false;
      const found = inner.reduce(entryOf, declaration.initializer);
      return found !== undefined && isOfNumbers(found);
    })
  );
}
