/**
 * Threads need a page that is isolated from others, which headers say. A host that cannot send them
 * has a service worker add them: then the page loads once more.
 */
export async function isolate(): Promise<void> {
  if (crossOriginIsolated || !("serviceWorker" in navigator) || !isSecureContext) return;
  const { serviceWorker } = navigator;
  if (serviceWorker.controller !== null) return;
  serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
  await serviceWorker.register("./service_worker.js");
}
