/** Models on a hub of tests. */
import { inFolder } from "../command.ts";
import { type Hub, type ServedModel, startHub } from "./server.ts";
import type { HubEnvironment } from "../../../cli/hub/environment.ts";
import { resolveModel, type ResolveOptions } from "../../../cli/hub/resolve.ts";

const text = (content: string) => new TextEncoder().encode(content);

/** Bytes that look random, of a length. */
export function bytes(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const content = new Uint8Array(length);
  for (let i = 0, x = seed; i < length; i++) content[i] = x = (x * 75 + 74) % 65_537 & 255 | i % 2;
  return content;
}

export const commits = ["a".repeat(40), "b".repeat(40)] as const;

/** The files of a small model, with some that nobody needs. */
export const files: Record<string, Uint8Array<ArrayBuffer>> = {
  ".gitattributes": text("*.safetensors filter=lfs\n"),
  "README.md": text("---\nlicense: mit\n---\n"),
  "config.json": text(`{"model_type":"llama"}`),
  "generation_config.json": text(`{}`),
  "model.safetensors": bytes(300_000),
  "onnx/model.onnx": bytes(10),
  "pytorch_model.bin": bytes(20),
  "consolidated.safetensors": bytes(30),
  "tokenizer.json": text(`{"version":"1.0"}`),
  "tokenizer_config.json": text("{}"),
};

/** The files that a download brings. */
export const wanted = [
  "README.md",
  "config.json",
  "generation_config.json",
  "model.safetensors",
  "tokenizer.json",
  "tokenizer_config.json",
];

/** The same model with its weights in two files. */
export const sharded: Record<string, Uint8Array<ArrayBuffer>> = {
  ...Object.fromEntries(Object.entries(files).filter(([name]) => name !== "model.safetensors")),
  "model.safetensors.index.json": text(JSON.stringify({
    weight_map: {
      a: "model-00001-of-00002.safetensors",
      b: "model-00002-of-00002.safetensors",
      c: "model-00001-of-00002.safetensors",
    },
  })),
  "model-00001-of-00002.safetensors": bytes(200_000, 2),
  "model-00002-of-00002.safetensors": bytes(100_000, 3),
};

/** A model whose branch is at the first commit. */
export const model = (
  content: Record<string, Uint8Array<ArrayBuffer>> = files,
  access?: ServedModel["access"],
): ServedModel => ({
  revisions: { main: commits[0], "v1.0": commits[0], "refs/pr/1": commits[0] },
  commits: { [commits[0]]: content },
  ...access && { access },
});

/** What a test of the hub has. */
export interface HubTest {
  readonly hub: Hub;
  readonly cache: string;
  /** The cache's folder of `org/name`. */
  readonly place: string;
  readonly env: Record<string, string>;
  /** Finds or downloads `org/name`, or another model. */
  find(options?: ResolveOptions & { readonly name?: string }): ReturnType<typeof resolveModel>;
}

/**
 * A test with a hub whose cache has links. Deno makes none for a process that may write in some
 * folders only, such as the tests of a changed copy.
 */
export function withLinks(name: string, test: (given: HubTest) => Promise<void>): void {
  const { state } = Deno.permissions.querySync({ name: "write" });
  if (state === "granted") withHub(name, test);
  else Deno.test.ignore(name, () => {});
}

/** A test with a hub that has `org/name`, and an empty cache. */
export function withHub(
  name: string,
  test: (given: HubTest) => Promise<void>,
  models: Record<string, ServedModel> = { "org/name": model() },
): void {
  inFolder(name, async (folder) => {
    await using hub = startHub(structuredClone(models));
    const cache = `${folder}/hub`;
    const env: Record<string, string> = { HF_HOME: folder, HF_ENDPOINT: hub.endpoint };
    const variables: HubEnvironment = (variable) => env[variable];
    await test({
      hub,
      cache,
      place: `${cache}/models--org--name`,
      env,
      find: ({ name = "org/name", ...options } = {}) =>
        resolveModel(name, {
          env: variables,
          patience: { silence: 60_000, pause: 1 },
          ...options,
        }),
    });
  });
}
