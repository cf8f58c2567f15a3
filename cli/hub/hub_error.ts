/**
 * What can go wrong with a hub, in words for the user.
 *
 * @module
 */

import { abridged, printable } from "@unitune/core";
import { UserError } from "@unitune/training";
import type { HubAccess } from "./environment.ts";
import { type HubRepo, pagePath } from "./paths.ts";

/** A hub or its storage cannot be reached, or the connection was lost. Another try may succeed. */
export class ConnectionError extends UserError {
  /** The kind of error. */
  override readonly name = "ConnectionError";
}

/** What is asked of a hub. */
export interface HubQuestion extends HubRepo {
  /** The hub, and the token. */
  readonly access: HubAccess;
  /** Its revision, where one is asked for. */
  readonly revision?: string;
}

/** Says what is wrong and what to do. */
type Sentence = (question: HubQuestion) => string;

const gated: Sentence = ({ access: { endpoint, token }, name, kind }) =>
  token === undefined
    ? `${name} is gated: accept its licence at ${endpoint}/${
      pagePath({ name, ...kind && { kind } })
    }, and set HF_TOKEN to a token of ` +
      `your account from ${endpoint}/settings/tokens`
    : `${name} is gated, and the account of the token has no access: accept the licence at ` +
      `${endpoint}/${
        pagePath({ name, ...kind && { kind } })
      }, or see there whether your request waits for an answer`;

const unknownModel: Sentence = ({ access: { endpoint, token }, name, kind = "model" }) =>
  token === undefined
    ? `${name} is not a ${kind} at ${endpoint}, or it is private: check the name, or set HF_TOKEN to ` +
      `a token from ${endpoint}/settings/tokens that may read it`
    : `${name} is not a ${kind} at ${endpoint} that the token may read: check the name, and the rights ` +
      `of the token at ${endpoint}/settings/tokens`;

const unknownRevision: Sentence = ({ access: { endpoint }, name, kind, revision = "" }) =>
  `${name} has no revision ${printable(abridged(revision, 80))}: see its branches and tags at ` +
  `${endpoint}/${pagePath({ name, ...kind && { kind } })}/tree/main`;

const wrongToken: Sentence = ({ access: { endpoint } }) =>
  `${endpoint} does not take the token, which may be mistyped or out of date: set HF_TOKEN to one ` +
  `from ${endpoint}/settings/tokens`;

const refused: Sentence = ({ access: { endpoint }, name }) =>
  `${endpoint} refuses this for ${name}: the token needs the right for it, see ` +
  `${endpoint}/settings/tokens`;

const askedTooOften: Sentence = ({ access: { endpoint, token } }) =>
  `${endpoint} was asked too often: wait some minutes` +
  (token === undefined ? ", or set HF_TOKEN, which allows more" : "");

/** The sentence for a code that the hub gives in `X-Error-Code`. */
const byCode: ReadonlyMap<string, Sentence> = new Map([
  ["GatedRepo", gated],
  ["RepoNotFound", unknownModel],
  ["RevisionNotFound", unknownRevision],
]);

/** The sentence for a status. Without a token, the hub answers 401 for names that do not exist. */
const byStatus: ReadonlyMap<number, Sentence> = new Map([
  [401, (question) => (question.access.token === undefined ? unknownModel : wrongToken)(question)],
  [403, refused],
  [404, unknownModel],
  [429, askedTooOften],
]);

/**
 * The error for a hub's refusal.
 *
 * @param question What was asked.
 * @param status The status of the response.
 * @param code The header `X-Error-Code`, if there is one.
 * @returns The error; a {@linkcode ConnectionError} where the hub itself has trouble.
 *
 * @example
 * ```ts
 * import { refusal } from "./hub_error.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const access = { endpoint: "https://hub.test" };
 * const { message } = refusal({ access, name: "a/b", revision: "v9" }, 404, "RevisionNotFound");
 * assertEquals(
 *   message,
 *   "a/b has no revision v9: see its branches and tags at https://hub.test/a/b/tree/main",
 * );
 * ```
 */
export function refusal(question: HubQuestion, status: number, code: string | null): UserError {
  const sentence = byCode.get(code ?? "") ?? byStatus.get(status);
  if (sentence !== undefined) return new UserError(sentence(question));
  const answer = `${question.access.endpoint} answers with the status ${status}`;
  return status >= 500
    ? new ConnectionError(`${answer}, which is trouble of its own: try again later`)
    : new UserError(`${answer} when it is asked for ${question.name}, which was not expected`);
}
