// Adds the headers that isolate the page, where its host cannot, and keeps the files for offline use.
const files = "unitune-playground";

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));

/** The response with the headers that isolate a page. */
function isolated(response) {
  if (response.status === 0) return response;
  const headers = new Headers(response.headers);
  headers.set("cross-origin-opener-policy", "same-origin");
  headers.set("cross-origin-embedder-policy", "require-corp");
  headers.set("cross-origin-resource-policy", "same-origin");
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}

/** The file from the host; without a network, as it was kept. */
async function answer(request) {
  const kept = await caches.open(files);
  try {
    const response = await fetch(request);
    if (response.ok) await kept.put(request, response.clone());
    return isolated(response);
  } catch (error) {
    const response = await kept.match(request);
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
