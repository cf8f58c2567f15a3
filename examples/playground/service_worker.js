// Adds the headers that isolate the page, where its host cannot, and keeps the files for offline use.
// The build writes two constants before this line: `headers`, and `names` of all files of the site.
// A host may have several sites, each in a folder of its own.
const kept = `unitune-playground ${registration.scope}`;

/** The files of this build, the page itself by its folder. */
const urls = ["./", ...names].map((name) => new URL(name, location.href).href);

/** Keeps all files, also of views that were not opened, and none of an earlier build. */
async function keep() {
  const cache = await caches.open(kept);
  await cache.addAll(urls.map((url) => new Request(url, { cache: "no-cache" })));
  for (const request of await cache.keys()) {
    if (!urls.includes(request.url)) await cache.delete(request);
  }
}

addEventListener("install", (event) => {
  skipWaiting();
  event.waitUntil(keep());
});
addEventListener("activate", (event) => event.waitUntil(clients.claim()));

/** The response with the headers that isolate a page. */
function isolated(response) {
  if (response.status === 0) return response;
  const own = new Headers(response.headers);
  for (const [name, value] of Object.entries(headers)) own.set(name, value);
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers: own });
}

/** The file from the host; without a network, as it was kept. */
async function answer(request) {
  const cache = await caches.open(kept);
  try {
    const response = await fetch(request);
    if (response.ok && urls.includes(request.url)) await cache.put(request, response.clone());
    return isolated(response);
  } catch (error) {
    const response = await cache.match(request, { ignoreSearch: true });
    if (response === undefined) throw error;
    return isolated(response);
  }
}

addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && new URL(url).origin === location.origin) {
    event.respondWith(answer(event.request));
  }
});
