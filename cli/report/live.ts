/**
 * A server of a page on loopback, which shows a run or a comparison as it is at each request.
 *
 * @module
 */

import { UserError } from "@unitune/training";

/** A page as it is now. */
export interface LivePage {
  /** The text of the HTML file. */
  readonly page: string;
  /** Whether it stays as it is: what it shows has ended. */
  readonly isFinal: boolean;
}

/** The seconds after which a browser asks again while something trains. */
const REFRESH = 5;

/** What every response says: nothing is kept, embedded, sent on or fetched. */
const headers: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; " +
    "frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** The names of this machine. A page elsewhere whose name leads here asks under its own name. */
const hosts: readonly string[] = ["127.0.0.1", "localhost"];

/** A refusal, or another sentence in place of the page. */
function sentence(status: number, text: string, more: Readonly<Record<string, string>> = {}) {
  const own = { ...headers, ...more, "content-type": "text/plain; charset=utf-8" };
  return new Response(`${text}\n`, { status, headers: own });
}

/** Has the browser ask again. The page itself has neither a script nor a rule to do so. */
const again = { refresh: String(REFRESH) } as const;

/**
 * Answers a request for a page. Until the page is final, the browser is told to ask again.
 *
 * @param read Makes the page.
 * @param request The request.
 * @returns The page; a sentence for another address, method or host, or while the files cannot be
 * read that the page shows.
 */
export async function livePage(
  read: () => Promise<LivePage>,
  request: Request,
): Promise<Response> {
  const { hostname, pathname } = new URL(request.url);
  if (!hosts.includes(hostname)) return sentence(403, "This server is for this machine only.");
  if (pathname !== "/") return sentence(404, "The page is at /.");
  if (request.method !== "GET") {
    return sentence(405, "The page can only be read.", { allow: "GET" });
  }
  try {
    const { page, isFinal } = await read();
    const own = { ...headers, ...!isFinal && again };
    return new Response(page, {
      headers: { ...own, "content-type": "text/html; charset=utf-8" },
    });
  } catch (error) {
    // What has just begun has not written all of its files.
    if (error instanceof UserError) return sentence(503, error.message, again);
    throw error;
  }
}

/**
 * Serves a page on loopback.
 *
 * @param read Makes the page.
 * @param port The port; 0 for a free one.
 * @returns The server.
 * @throws {UserError} If the port is in use.
 */
export function serveLive(
  read: () => Promise<LivePage>,
  port: number,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    const options = { hostname: "127.0.0.1", port, onListen() {} };
    return Deno.serve(options, (request) => livePage(read, request));
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    throw new UserError(`port ${port} is in use: choose another by --port, or 0 for a free one`);
  }
}
