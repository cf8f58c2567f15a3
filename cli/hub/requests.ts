/**
 * Requests to a hub. The token goes to the hub's own origin only: files are often elsewhere, at
 * hosts to which the hub redirects.
 *
 * @module
 */

import { UserError } from "@unitune/training";
import type { HubAccess } from "./environment.ts";
import { ConnectionError, type HubQuestion, refusal } from "./hub_error.ts";

/** The most redirects that are followed. */
const MOST_REDIRECTS = 5;

/** Options of a request. */
export interface RequestOptions {
  /** Further headers. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Stops the request. */
  readonly signal?: AbortSignal;
}

/**
 * Asks a hub, and follows its redirects.
 *
 * @param question What is asked, for errors.
 * @param path The path at the hub, with its slash in front.
 * @param options Headers and a signal.
 * @returns The response, whose status is a success.
 * @throws {ConnectionError} If a host cannot be reached or has trouble.
 * @throws {UserError} If the hub refuses, or the process may not use the network.
 */
export async function askHub(
  question: HubQuestion,
  path: string,
  { headers = {}, signal }: RequestOptions = {},
): Promise<Response> {
  const { access } = question;
  let url = new URL(`${access.endpoint}${path}`);
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    const isHub = url.origin === new URL(access.endpoint).origin;
    const response = await fetched(url, {
      // A compressed response has another length, and no part of it can be asked for.
      headers: { "accept-encoding": "identity", ...headers, ...(isHub && tokenHeader(access)) },
      redirect: "manual",
      ...(signal && { signal }),
    });
    if (response.ok) return response;
    await response.body?.cancel();
    const location = response.headers.get("location");
    if (response.status >= 300 && response.status < 400 && location !== null) {
      url = redirected(url, location);
      continue;
    }
    if (isHub) throw refusal(question, response.status, response.headers.get("x-error-code"));
    // An address elsewhere is valid for some time only; the hub gives a new one.
    throw new ConnectionError(
      `${url.host}, where ${access.endpoint} keeps the files of ${question.name}, answers with the ` +
        `status ${response.status}: try again later`,
    );
  }
  throw new ConnectionError(`${access.endpoint} redirects in a circle: try again later`);
}

/** The header by which a hub knows an account. */
function tokenHeader({ token }: HubAccess): Readonly<Record<string, string>> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

/** The address to which a response leads. A token never goes from https to http. */
function redirected(from: URL, location: string): URL {
  const url = URL.parse(location, from);
  const isKnown = url !== null && (url.protocol === "https:" || url.protocol === from.protocol);
  if (isKnown) return url;
  throw new ConnectionError(
    `${from.host} redirects to an address that is not safe: try again later`,
  );
}

/** A request, whose failures are errors for the user. */
async function fetched(url: URL, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    throw connectionError(error, url.host, init.signal ?? undefined);
  }
}

/**
 * The error of a connection for the user; the reason of a signal, and any other error, as it is.
 *
 * @param error What a request or the reading of its body threw.
 * @param host The host.
 * @param signal The signal that may have stopped it.
 * @returns The error to throw.
 */
export function connectionError(error: unknown, host: string, signal?: AbortSignal): unknown {
  if (signal?.aborted === true) return signal.reason;
  if (error instanceof Deno.errors.NotCapable) {
    return new UserError(
      `Deno was not given the permission to reach ${host} (--allow-net=${host})`,
      { cause: error },
    );
  }
  // What fetch throws for any failure of the network. Its text holds the address, which may hold
  // a right to the file.
  if (!(error instanceof TypeError)) return error;
  return new ConnectionError(
    `${host} can't be reached, or the connection was lost: check the network, and the proxy if ` +
      `there is one (HTTPS_PROXY)`,
    { cause: error },
  );
}
