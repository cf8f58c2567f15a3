/** A server of the site on loopback. */

const types: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
};

/**
 * Serves the files of a build.
 *
 * @param folder The folder.
 * @param files The names of its files: nothing else is served.
 * @param port The port; 0 for a free one.
 * @param sent The headers of every response.
 * @returns The server.
 */
export function serve(
  folder: string,
  files: readonly string[],
  port: number,
  sent: Readonly<Record<string, string>>,
): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, async (request) => {
    const name = new URL(request.url).pathname.slice(1) || "index.html";
    const type = types[name.slice(name.lastIndexOf(".") + 1)];
    if (!files.includes(name) || type === undefined) {
      return new Response("There is no such file.\n", { status: 404, headers: sent });
    }
    const body = await Deno.readFile(`${folder}/${name}`);
    return new Response(body, {
      headers: { ...sent, "content-type": type, "cache-control": "no-cache" },
    });
  });
}
