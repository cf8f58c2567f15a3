/** What the browser says of WebGPU. */
import { useEffect, useState } from "npm:preact@11/hooks";

/** An adapter of WebGPU, or why there is none. */
export type Adapter =
  | { readonly kind: "asked for" }
  | { readonly kind: "none"; readonly reason: string }
  /** One that computes on the processor takes longer than WebAssembly. */
  | { readonly kind: "there"; readonly isSoftware: boolean };

async function findAdapter(): Promise<Adapter> {
  const none = (reason: string): Adapter => ({ kind: "none", reason });
  if (!isSecureContext) return none("the page does not come by https, without which there is none");
  // The types promise it in every browser.
  if (!("gpu" in navigator)) return none("this browser has none");
  try {
    const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
    if (adapter === null) return none("this browser finds no adapter for it");
    const { isFallbackAdapter, description, architecture } = adapter.info;
    const isSoftware = isFallbackAdapter ||
      /llvmpipe|swiftshader/i.test(`${description} ${architecture}`);
    return { kind: "there", isSoftware };
  } catch (error) {
    return none(error instanceof Error ? error.message : String(error));
  }
}

/** Asks for an adapter once. */
export function useAdapter(): Adapter {
  const [adapter, setAdapter] = useState<Adapter>({ kind: "asked for" });
  useEffect(() => void findAdapter().then(setAdapter), []);
  return adapter;
}
