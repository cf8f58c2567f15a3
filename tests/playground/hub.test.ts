/** Models of a hub as the page reads them, without a page. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { filesSource, readCheckpoint } from "@unitune/models";
import { UserError } from "@unitune/training";
import { downloadModel, type DownloadWatch } from "../../examples/playground/own/hub.ts";
import { model as served } from "../cli/hub/models.ts";
import { type Hub, startHub } from "../cli/hub/server.ts";
import { tinyFolder } from "./tiny_folder.ts";

type Files = Map<string, Uint8Array<ArrayBuffer>>;

const hubOf = (files: Files) => startHub({ "org/name": served(Object.fromEntries(files)) });

/** Downloads `org/name`, or another model. */
const download = (hub: Hub, watch: Partial<DownloadWatch> = {}, name = "org/name") =>
  downloadModel({ endpoint: hub.endpoint, name }, {
    ...{ limit: Infinity, tell: () => {}, signal: new AbortController().signal },
    ...watch,
  });

/** The sentence of a download that fails. */
async function refusal(...given: Parameters<typeof download>): Promise<string> {
  return (await assertRejects(() => download(...given), UserError)).message;
}

/** The contents that were asked for as a whole. */
const wholes = ({ asked }: Hub) =>
  asked.filter(({ path, range, where }) =>
    where === "storage" && range === null && path.startsWith("/blobs/")
  );

Deno.test("a model of a hub is checked by its headers, then downloaded: the files that it has there", async () => {
  for (const files of [await tinyFolder(), await tinyFolder(6000)]) {
    for (const ignoresRanges of [false, true]) {
      await using hub = hubOf(new Map([...files, ["notes.bin", new Uint8Array(9)]]));
      hub.ignoresRanges = ignoresRanges;
      const told: (readonly [number, number])[] = [];
      const found = await download(hub, { tell: (...own) => told.push(own) });
      const bytes = new Map<string, Uint8Array>();
      for (const file of found) bytes.set(file.name, new Uint8Array(await file.arrayBuffer()));
      assertEquals(bytes, new Map(found.map(({ name }) => [name, files.get(name) ?? never(name)])));
      await readCheckpoint(filesSource(bytes));
      const total = found.reduce((sum, { size }) => sum + size, 0);
      assertEquals(told.at(-1), [total, total]);
      const weights = [...files.keys()].filter((name) => name.endsWith(".safetensors"));
      if (!ignoresRanges) assertEquals(wholes(hub).length, weights.length);
      assert(hub.asked.every(({ authorization }) => authorization === null));
    }
  }
});

function never(name: string): never {
  throw new Error(`${name} was never on the hub`);
}

Deno.test("what a hub does not have, or the page cannot read, is refused before its weights come", async () => {
  const whole = await tinyFolder();
  const changed = (name: string, text: string): Files =>
    new Map([...whole, [name, new TextEncoder().encode(text)]]);
  {
    await using hub = hubOf(whole);
    const asked = hub.asked.length;
    assertStringIncludes(await refusal(hub, {}, "../../x"), '"../../x" is no name of the hub');
    assertEquals(hub.asked.length, asked);
    assertStringIncludes(
      await refusal(hub, {}, "org/other"),
      `org/other is no model of ${hub.endpoint} that everyone may read: check the name`,
    );
    assertStringIncludes(
      await refusal(hub, { limit: 1000 }),
      "KiB, and the page can have 1000 bytes: choose a smaller model",
    );
    hub.trouble = 429;
    assertStringIncludes(await refusal(hub), "was asked too often: wait some minutes");
    hub.trouble = 503;
    assertStringIncludes(await refusal(hub), "answers with the status 503 for org/name");
    hub.trouble = undefined;
    assertEquals(wholes(hub), []);
  }
  const refusalOf = async (files: Files) => {
    await using hub = hubOf(files);
    const sentence = await refusal(hub);
    assertEquals(wholes(hub), []);
    return sentence;
  };
  assertStringIncludes(
    await refusalOf(changed("config.json", '{"model_type":"abacus"}')),
    'the model cannot be read: config.json: model_type is "abacus"',
  );
  assertStringIncludes(
    await refusalOf(changed("model.safetensors", "damaged")),
    "the model cannot be read: ",
  );
  whole.delete("tokenizer.json");
  assertStringIncludes(await refusalOf(whole), "org/name has no tokenizer.json");
  const adapter = ["adapter_config.json", "adapter_model.safetensors"] as const;
  assertStringIncludes(
    await refusalOf(new Map(adapter.map((name) => [name, new Uint8Array(2)]))),
    "this is an adapter, and not a whole model",
  );
});

Deno.test("a download that is cut off or stopped says so", async () => {
  await using hub = hubOf(await tinyFolder());
  // The header of the weights is read in two parts before.
  const whole = { after: Infinity, how: "ends" } as const;
  hub.faults.push(whole, whole, { after: 100, how: "breaks" });
  assertStringIncludes(await refusal(hub), "or the connection was lost while org/name was read");
  hub.faults.push(whole, whole, { after: 100, how: "ends" });
  assertStringIncludes(await refusal(hub), "has arrived with 100 bytes, and the hub states");
  hub.faults.push(whole, whole, { after: 100, how: "stalls" });
  const ending = new AbortController();
  const tell = (read: number) => {
    if (read > 100) ending.abort();
  };
  assertEquals(await refusal(hub, { signal: ending.signal, tell }), "the download was stopped");
  await hub[Symbol.asyncDispose]();
  const sentence = (await assertRejects(() => download(hub), UserError)).message;
  assertStringIncludes(sentence, `${hub.endpoint} can't be reached`);
});
