/** Mutants: files with one change, and their names and texts. */
import { type Mutation, mutationsOf } from "./operators.ts";
import { ts } from "./typescript.ts";

/** A file of the repository with one change. */
export interface Mutant {
  /** `FILE:LINE:COLUMN:OPERATOR`, which names one change of a tree of files. */
  readonly id: string;
  /** The file, as a path from the root. */
  readonly file: string;
  /** The line on which the change begins, from 1. */
  readonly line: number;
  /** The functions and constants around the change, from the outside: `makeTensor.item`. */
  readonly inside: string;
  /** The lines that change, as they stand. */
  readonly before: string;
  /** The lines as they are in the mutant. */
  readonly after: string;
  /** The whole text of the file in the mutant. */
  readonly text: string;
}

/** The name that a node gives to the code in it. */
function nameOf(node: ts.Node): string | undefined {
  const isNamed = ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node) ||
    ts.isVariableDeclaration(node) || ts.isPropertyAssignment(node) ||
    ts.isClassDeclaration(node) || ts.isPropertyDeclaration(node) || ts.isGetAccessor(node);
  if (!isNamed || node.name === undefined) return undefined;
  return ts.isObjectBindingPattern(node.name) || ts.isArrayBindingPattern(node.name)
    ? undefined
    : node.name.getText();
}

/** The names of the functions and constants around a place. */
function namesAround(source: ts.SourceFile, start: number, end: number): string {
  const names: string[] = [];
  const visit = (node: ts.Node): void => {
    if (node.getStart(source) > start || node.getEnd() < end) return;
    const name = nameOf(node);
    if (name !== undefined) names.push(name);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return names.join(".");
}

/** The lines from the one of `start` to the one of `end`. */
function linesAround(text: string, start: number, end: number): string {
  const from = text.lastIndexOf("\n", start - 1) + 1;
  const to = text.indexOf("\n", end);
  return text.slice(from, to < 0 ? text.length : to);
}

/** The mutant that a change makes of a file. */
function mutantOf(source: ts.SourceFile, mutation: Mutation): Mutant {
  const { operator, start, end, replacement } = mutation;
  const { fileName: file, text: whole } = source;
  const text = whole.slice(0, start) + replacement + whole.slice(end);
  const { line, character } = source.getLineAndCharacterOfPosition(start);
  return {
    id: `${file}:${line + 1}:${character + 1}:${operator}`,
    file,
    line: line + 1,
    inside: namesAround(source, start, end),
    before: linesAround(whole, start, end),
    after: linesAround(text, start, start + replacement.length),
    text,
  };
}

/**
 * All mutants of a file.
 *
 * @param file Its path from the root.
 * @param text Its text.
 * @returns The mutants by their places; not all of them type-check.
 */
export function mutantsOf(file: string, text: string): Mutant[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const mutants = mutationsOf(source).map((mutation) => mutantOf(source, mutation));
  // Nested expressions, such as `a ?? b ?? c`, may begin at one place.
  return [...Map.groupBy(mutants, ({ id }) => id).values()].flatMap((alike) =>
    alike.map((mutant, i) => i === 0 ? mutant : { ...mutant, id: `${mutant.id}:${i + 1}` })
  );
}

/** The change as the lines of a diff. */
export function diffOf({ before, after }: Pick<Mutant, "before" | "after">): string {
  const marked = (mark: string, lines: string) =>
    lines.split("\n").map((line) => `${mark} ${line.trim()}`).join("\n");
  return `${marked("-", before)}\n${marked("+", after)}`;
}
