/**
 * Checks of training rows before the first step: what a chat template makes of them.
 *
 * @module
 */

import {
  type ChatMessage,
  checkConversation,
  type Finding,
  type FindingKind,
  findingKinds,
  type Tokenizer,
} from "@unitune/models";
import { UserError } from "../text/errors.ts";
import { placeText, type RowDetails } from "./dataset.ts";
import type { Example } from "./examples.ts";
import { naming } from "./fit.ts";
import { type RowTable, spread } from "./table.ts";
import { atOnce } from "../event_loop.ts";
import { eachTold, type Watch } from "./watch.ts";

/** A conversation of a row. */
export interface RowConversation {
  /** The messages. */
  readonly messages: readonly ChatMessage[];
  /** The first message that is learned, if the assistant says it. */
  readonly learnedFrom: number;
}

/** What is checked of rows, and how the user is told. */
export interface CheckOptions<Row> {
  /** The conversations of a row that a stage trains on. */
  readonly conversations: (row: Row) => readonly RowConversation[];
  /** The name of the data in messages. */
  readonly source: string;
  /** Follows the progress. */
  readonly watch: Watch;
  /** The number of rows among which those to check were taken (default: as many as there are). */
  readonly among?: number;
}

/** The most rows that are checked; they are evenly spread. A check takes as long as encoding. */
export const MOST_CHECKED = 512;

/** The most characters of a conversation that is checked. */
const LONGEST_CHECKED = 2 ** 20;

/** Tells whether conversations can be checked: for that, all of their texts are encoded. */
function areShort(conversations: readonly RowConversation[]): boolean {
  const lengths = conversations.flatMap(({ messages }) =>
    messages.map(({ content }) => content?.length ?? 0)
  );
  return lengths.reduce((sum, length) => sum + length, 0) <= LONGEST_CHECKED;
}

/** The findings of one kind. */
interface Found {
  /** The first of them. */
  readonly finding: Finding;
  /** The row that it is about. */
  readonly row: RowDetails;
  /** The number of rows with such a finding. */
  count: number;
}

/**
 * Checks how a tokenizer encodes the conversations of rows; see {@linkcode checkConversation}. Of
 * many rows, 512 are checked, evenly spread over the data, but for those of over a million characters.
 *
 * @param tokenizer The tokenizer.
 * @param rows The rows.
 * @param options The conversations of a row, the name of the data, and who follows the progress.
 * @returns Notes for the user, one for each kind of finding, with the number of rows and the first.
 * @throws {UserError} If the tokenizer cannot express a conversation, or a model that learns from the
 * rows would not answer as it was taught; the message has the file and the line.
 *
 * @example
 * ```ts
 * import { checkRows, silentWatch, UserError } from "@unitune/training";
 * import { byteTokenizer } from "@unitune/models";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const messages = [
 *   { role: "user", content: "1 + 1?" },
 *   { role: "assistant", content: "2" },
 * ] as const;
 * const rows = [{ source: { file: "sums.jsonl", line: 3 } }];
 * const options = {
 *   conversations: () => [{ messages, learnedFrom: 0 }],
 *   source: "sums.jsonl",
 *   watch: silentWatch,
 * };
 * assertEquals(checkRows(byteTokenizer(), rows, options), []);
 *
 * const endless = { ...byteTokenizer(), stops: [2] };
 * assertThrows(() => checkRows(endless, rows, options), UserError, "sums.jsonl:3: ");
 * ```
 */
export function checkRows<Row extends RowDetails>(
  tokenizer: Tokenizer,
  rows: RowTable<Row>,
  { conversations, source, watch, among = rows.length }: CheckOptions<Row>,
): readonly string[] {
  const checked = spread(rows, MOST_CHECKED).filter((row) => areShort(conversations(row)));
  const byKind = new Map<FindingKind, Found>();
  const tell = watch.begin({ doing: `checking ${source}`, subject: source });
  const check = (row: Row) => {
    const findings = conversations(row).flatMap(({ messages, learnedFrom }) =>
      naming(
        row.source,
        () => checkConversation(tokenizer, messages, { ...row.rendering, learnedFrom }),
      )
    );
    const kinds = new Set<FindingKind>();
    for (const finding of findings) {
      if (kinds.has(finding.kind)) continue;
      kinds.add(finding.kind);
      const found = byKind.get(finding.kind);
      if (found === undefined) byKind.set(finding.kind, { finding, row, count: 1 });
      else found.count += 1;
    }
  };
  atOnce(eachTold(checked, tell, check));
  const total = `${checked.length.toLocaleString("en-US")} rows` +
    (checked.length < among ? ` that were looked at, of ${among.toLocaleString("en-US")}` : "");
  const kinds = [...byKind.entries()];
  const errors = kinds.filter(([kind]) => findingKinds[kind] === "error");
  if (errors.length > 0) throw refusal(errors.map(([, found]) => found), total);
  return kinds.map(([, { finding, row, count }]) =>
    `${finding.sentence} (in ${count.toLocaleString("en-US")} of ${total}` +
    `${row.source === undefined ? "" : `, first at ${placeOf(row)}`}).`
  );
}

/** The refusal of rows that would teach something else than they say. */
function refusal(errors: readonly Found[], total: string): UserError {
  const sentences = errors.map(({ finding, row, count }, i) =>
    `${i === 0 || row.source === undefined ? "" : `at ${placeOf(row)}: `}${finding.sentence} ` +
    `(so in ${count.toLocaleString("en-US")} of ${total})`
  );
  const [first] = errors;
  const where = first?.row.source === undefined ? "" : `${placeOf(first.row)}: `;
  return new UserError(`${where}${sentences.join(". And ")}`);
}

function placeOf({ source }: RowDetails): string {
  return source === undefined ? "" : placeText(source);
}

/**
 * The conversations of an example: its prompt with each of its answers, which are learned.
 *
 * @param example The example.
 * @returns The conversations.
 */
export function answeredConversations(
  { prompt, chosen, rejected }: Example,
): readonly RowConversation[] {
  return [chosen ?? [], rejected ?? []].flatMap((answer) =>
    answer.length === 0 ? [] : [{ messages: [...prompt, ...answer], learnedFrom: prompt.length }]
  );
}

/**
 * The conversations of an example that has three answers: its prompt with each of them.
 *
 * @param example The example.
 * @returns The conversations; none of an example with fewer answers.
 */
export function tripleConversations({ prompt, triple }: Example): readonly RowConversation[] {
  if (triple === undefined) return [];
  const { gold, chosen, rejected } = triple;
  return [gold, chosen, rejected].map((answer) => ({
    messages: [...prompt, ...answer],
    learnedFrom: prompt.length,
  }));
}

/**
 * The conversation of an example whose prompt the model answers itself: nothing of it is learned.
 *
 * @param example The example.
 * @returns The prompt.
 */
export function askedConversation({ prompt }: Example): readonly RowConversation[] {
  return [{ messages: prompt, learnedFrom: prompt.length }];
}

/**
 * Checks the examples of some rows, evenly spread; see {@linkcode checkRows}.
 *
 * @param tokenizer The tokenizer.
 * @param rows The rows.
 * @param find Finds the examples of a row.
 * @param options The conversations of an example, the name of the data, and who follows the progress.
 * @returns Notes for the user.
 * @throws {UserError} As {@linkcode checkRows} does.
 */
export function checkSome<Row, Found extends RowDetails>(
  tokenizer: Tokenizer,
  rows: RowTable<Row>,
  find: (row: Row) => readonly Found[],
  options: Omit<CheckOptions<Found>, "among">,
): readonly string[] {
  const found = spread(rows, MOST_CHECKED).flatMap(find);
  const isAll = rows.length <= MOST_CHECKED;
  return checkRows(tokenizer, found, { ...options, among: isAll ? found.length : rows.length });
}
