/** The findings of the mutation tester, as text and as JSON. */
import type { Verdict } from "./judge.ts";
import { diffOf, type Mutant } from "./mutants.ts";

/** A mutant and its verdict. */
export interface Judged {
  /** The mutant. */
  readonly mutant: Mutant;
  /** The verdict of its tests, or one without tests: equal to the code, or of wrong types. */
  readonly verdict:
    | Verdict
    | { readonly kind: "explained"; readonly because: string }
    | { readonly kind: "refused" };
}

/** All findings of a run. */
export interface Findings {
  /** The seed of the draw. */
  readonly seed: number;
  /** The mutants that were drawn. */
  readonly judged: readonly Judged[];
  /** Tests that fail without any change, and so judge no mutant. */
  readonly failing: readonly string[];
}

/** The least fraction of the unexplained mutants that tests have to kill. */
const LEAST = 0.95;

type Kind = Judged["verdict"]["kind"];

function counts({ judged }: Findings): Readonly<Record<Kind, number>> {
  const count = (kind: Kind) => judged.filter(({ verdict }) => verdict.kind === kind).length;
  return {
    killed: count("killed"),
    survived: count("survived"),
    explained: count("explained"),
    refused: count("refused"),
  };
}

/** Whether enough mutants were killed. */
export function isEnough(findings: Findings): boolean {
  const { killed, survived } = counts(findings);
  return killed >= LEAST * (killed + survived);
}

/** A survivor: its place, its change, and the command that runs it again. */
export function survivorLines(mutant: Mutant): string {
  const diff = diffOf(mutant).split("\n").map((line) => `  ${line}`).join("\n");
  const { id, file, line, inside } = mutant;
  return `survived: ${file}:${line}${inside && ` (${inside})`}\n${diff}\n` +
    `  deno task mutate --only ${id}`;
}

/**
 * The findings as text: survivors, explained mutants, and the counts.
 *
 * @param findings The findings.
 * @returns The text; the last line is `N mutants, N killed, N survived, N explained`.
 */
export function reportText(findings: Findings): string {
  const { judged, seed, failing } = findings;
  const { killed, survived, explained, refused } = counts(findings);
  const tested = killed + survived;
  const share = tested === 0 ? "none to kill" : `${(100 * killed / tested).toFixed(1)} % killed`;
  return [
    ...judged.flatMap(({ mutant, verdict }) =>
      verdict.kind === "survived"
        ? [survivorLines(mutant)]
        : verdict.kind === "explained"
        ? [`explained: ${mutant.id}: ${verdict.because}`]
        : []
    ),
    ...failing.map((name) => `left out: ${name} fails without any change`),
    `seed ${seed}: ${share}, expected at least ${100 * LEAST} %; ` +
    `${refused} more do not type-check`,
    `${tested + explained} mutants, ${killed} killed, ${survived} survived, ${explained} explained`,
  ].join("\n");
}

/** The findings as JSON: each mutant with its place, its change and its verdict. */
export function reportJson(findings: Findings): string {
  const mutants = findings.judged.map(({ mutant: { text: _, ...mutant }, verdict }) => ({
    ...mutant,
    ...(verdict.kind === "killed"
      ? { kind: verdict.kind, by: verdict.by, how: verdict.outcome.kind }
      : verdict),
  }));
  const { seed, failing } = findings;
  return JSON.stringify({ seed, failing, ...counts(findings), mutants }, null, 2);
}
