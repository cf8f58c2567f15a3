/** A server of the site on loopback, with the headers that isolate it. */

const types: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
};

/** What every response says: no other page, no request, no other origin. */
export const headers: Readonly<Record<string, string>> = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
  "content-security-policy":
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; " +
    "style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-cache",
};

/**
 * Serves the files of a build.
 *
 * @param folder The folder.
 * @param files The names of its files: nothing else is served.
 * @param port The port; 0 for a free one.
 * @param sent What every response says (default: what isolates the page).
 * @returns The server.
 */
export function serve(
  folder: string,
  files: readonly string[],
  port: number,
  sent: Readonly<Record<string, string>> = headers,
): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, async (request) => {
    const name = new URL(request.url).pathname.slice(1) || "index.html";
    const type = types[name.slice(name.lastIndexOf(".") + 1)];
    if (!files.includes(name) || type === undefined) {
      return new Response("There is no such file.\n", { status: 404, headers: sent });
    }
    const body = await Deno.readFile(`${folder}/${name}`);
    return new Response(body, { headers: { ...sent, "content-type": type } });
  });
}
