/** The results as text for a terminal. */
import { alignTable, type Estimate, estimateOf, fitTable } from "@unitune/cli";
import { bestDistance, type Finding, lastDistance } from "./claims.ts";
import type { MethodRuns, Problem, Run, Snapshot } from "./experiment.ts";
import { isTerminal } from "./lake.ts";
import type { VariantResult } from "./sweep.ts";

/** The moves as arrows. */
export const arrows = ["←", "↓", "→", "↑"] as const;

/** The likeliest move of a cell. */
export function likeliest(row: readonly number[]): number {
  // deno-lint-ignore unitune/no-spread-of-data -- the actions of the game
  return row.indexOf(Math.max(...row));
}

/**
 * The lake with a policy's likeliest moves as arrows, moves that are not optimal in brackets.
 *
 * @param problem The problem.
 * @param snapshot The policy.
 * @returns A line for each row.
 */
export function gridLines({ game, optimal }: Problem, { matrix }: Snapshot): string[] {
  const { lake } = game;
  const cells = lake.cells.map((kind, cell) => {
    if (isTerminal(lake, cell)) return ` ${kind} `;
    const move = likeliest(matrix[cell] ?? []);
    const arrow = arrows[move] ?? "?";
    return (optimal[cell]?.[move] ?? 0) > 0 ? ` ${arrow} ` : `[${arrow}]`;
  });
  return Array.from(
    { length: lake.rows },
    (_, row) => cells.slice(row * lake.columns, (row + 1) * lake.columns).join(" ").trimEnd(),
  );
}

/** An estimate with its interval. */
export function showEstimate({ mean, low, high }: Estimate, digits = 4): string {
  return `${mean.toFixed(digits)} [${low.toFixed(digits)}, ${high.toFixed(digits)}]`;
}

/** The columns of the table of methods, over seeds. */
export const columns: readonly {
  readonly title: string;
  readonly digits: number;
  readonly hasInterval: boolean;
  readonly of: (run: Run) => number;
}[] = [
  { title: "start", digits: 4, hasInterval: false, of: ({ distances }) => distances[0] ?? NaN },
  { title: "best", digits: 4, hasInterval: true, of: bestDistance },
  { title: "at step", digits: 0, hasInterval: false, of: ({ best }) => best.step },
  { title: "end", digits: 4, hasInterval: true, of: lastDistance },
  { title: "success", digits: 3, hasInterval: false, of: ({ last }) => last.success },
  { title: "after a slip", digits: 3, hasInterval: false, of: ({ last }) => last.recovery },
  { title: "cells", digits: 1, hasInterval: false, of: ({ explored }) => explored },
  { title: "closeness", digits: 2, hasInterval: false, of: ({ closeness }) => closeness },
];

/** A method's cells in the table. */
export function cellsOf({ runs }: MethodRuns): string[] {
  return columns.map(({ of, digits, hasInterval }) => {
    const result = estimateOf(runs.map(of));
    const { mean, high } = result;
    const half = hasInterval ? ` ±${(high - mean).toFixed(digits)}` : "";
    return mean.toFixed(digits) + half;
  });
}

/** The table of all methods. */
export function resultLines(results: readonly MethodRuns[]): string[] {
  return fitTable([
    ["", ...columns.map(({ title }) => title)],
    ...results.map((result) => [result.method.name, ...cellsOf(result)]),
  ]);
}

/** The paper's claims, each with its finding on a line below it. */
export function findingLines(findings: readonly Finding[]): string[] {
  const found = alignTable(
    findings.map(({ verdict, difference }) => [`  ${verdict}`, showEstimate(difference)]),
  );
  return findings.flatMap(({ claim }, i) => [claim, found[i] ?? ""]);
}

/** A sweep's settings without slipping, and with it. */
export function sweepParts(
  sweep: readonly VariantResult[],
): { readonly name: string; readonly part: readonly VariantResult[] }[] {
  return [false, true].map((slippery) => ({
    name: slippery ? "slippery" : "not slippery",
    part: sweep.filter(({ variant }) => variant.slippery === slippery),
  }));
}

/**
 * The number of settings of a sweep in which each claim of the ordering holds:
 * `[claim, holds, undecided, does not]`.
 */
export function sweepCounts(
  sweep: readonly VariantResult[],
  claims: readonly { readonly claim: string }[],
): (readonly [claim: string, ...counts: number[]])[] {
  return claims.map(({ claim }, i) => {
    const count = (verdict: string) =>
      sweep.filter(({ verdicts }) => verdicts[i] === verdict).length;
    return [claim, count("holds"), count("undecided"), count("does not hold")];
  });
}

/** The sweep in a few lines. */
export function sweepLines(
  sweep: readonly VariantResult[],
  claims: readonly { readonly claim: string }[],
): string[] {
  return sweepParts(sweep).flatMap(({ name, part }) => [
    ...alignTable([
      [`${part.length} settings, ${name}`, "holds", "undecided", "fails"],
      ...sweepCounts(part, claims).map((row) => row.map(String)),
    ]),
    "",
  ]);
}
