/** What the page may do: its content policy, and the headers that isolate it. */

/** A hub of models that the page may read. */
export interface PageHub {
  /** Its address, without a slash at the end. */
  readonly endpoint: string;
  /** The origins that it and its storage have, as a content policy names them. */
  readonly origins: readonly string[];
}

/** The hub of Hugging Face, which redirects to storage at other hosts. */
export const huggingFace: PageHub = {
  endpoint: "https://huggingface.co",
  origins: ["https://huggingface.co", "https://*.huggingface.co", "https://*.hf.co"],
};

/**
 * The content policy: scripts, workers and styles of the page's own, and no request but to a hub.
 *
 * @param hub The hub (default: none, so that the page makes no request at all).
 * @returns The directives that may stand in the page itself.
 */
export function contentPolicy(hub?: PageHub): string {
  return [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "worker-src 'self' blob:",
    "style-src 'self'",
    "img-src data:",
    ...hub === undefined ? [] : [`connect-src ${hub.origins.join(" ")}`],
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}

/**
 * The headers of every response: the page is isolated, so that kernels have threads, and no script
 * of it, a worker's neither, may do what the policy forbids.
 */
export function pageHeaders(hub?: PageHub): Readonly<Record<string, string>> {
  return {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": `${contentPolicy(hub)}; frame-ancestors 'none'`,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
  };
}
