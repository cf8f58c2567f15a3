/**
 * A server of a run's page on loopback, which shows the run as it is at each request.
 *
 * @module
 */

import { UserError } from "@unitune/training";
import { extentOf, readRunRecord, runRecordPage } from "./run_page.ts";

/** The seconds after which a browser asks again while the run trains. */
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
 * Answers a request for the page of a run. While the run trains, the browser is told to ask again.
 *
 * @param folder The folder of the run.
 * @param request The request.
 * @returns The page; a sentence for another address, method or host, or while the run's files
 * cannot be read.
 */
export async function livePage(folder: string, request: Request): Promise<Response> {
  const { hostname, pathname } = new URL(request.url);
  if (!hosts.includes(hostname)) return sentence(403, "This server is for this machine only.");
  if (pathname !== "/") return sentence(404, "The page of the run is at /.");
  if (request.method !== "GET") {
    return sentence(405, "The page can only be read.", { allow: "GET" });
  }
  try {
    const record = await readRunRecord(folder);
    const { done, total } = extentOf(record);
    const own = { ...headers, ...done < total && again };
    return new Response(runRecordPage(record), {
      headers: { ...own, "content-type": "text/html; charset=utf-8" },
    });
  } catch (error) {
    // A run that has just begun has not written all of its files.
    if (error instanceof UserError) return sentence(503, error.message, again);
    throw error;
  }
}

/**
 * Serves the page of a run on loopback.
 *
 * @param folder The folder of the run.
 * @param port The port; 0 for a free one.
 * @returns The server.
 * @throws {UserError} If the port is in use.
 */
export function serveLive(folder: string, port: number): Deno.HttpServer<Deno.NetAddr> {
  try {
    const options = { hostname: "127.0.0.1", port, onListen() {} };
    return Deno.serve(options, (request) => livePage(folder, request));
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    throw new UserError(`port ${port} is in use: choose another by --port, or 0 for a free one`);
  }
}
