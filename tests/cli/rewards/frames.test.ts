/** What processes with code of others say, and what they may do. */
import { assertEquals, assertThrows } from "@std/assert";
import { decode, encode, textLines } from "../../../cli/rewards/frames.ts";
import { parsePermissions, permissionFlags } from "../../../cli/rewards/permissions.ts";
import { UsageError } from "@unitune/cli";
import fc from "fast-check";

Deno.test("values keep what JSON has no text for", () => {
  const value = fc.oneof(fc.double(), fc.constant(undefined), fc.constant(null), fc.string());
  const others = fc.dictionary(fc.string(), fc.oneof(fc.boolean(), fc.array(value)));
  fc.assert(fc.property(fc.array(fc.oneof(value, others)), (values) => {
    // JSON has one zero.
    const plain = (own: unknown): unknown =>
      own === 0 ? 0 : Array.isArray(own) ? own.map(plain) : own;
    const expected = values.map((own) =>
      typeof own === "object" && own !== null
        ? Object.fromEntries(Object.entries(own).map(([name, part]) => [name, plain(part)]))
        : plain(own)
    );
    assertEquals(decode(encode(values)), expected);
  }));
  assertEquals([NaN, Infinity, -Infinity, undefined].map((own) => decode(encode(own))), [
    ...[NaN, Infinity, -Infinity, undefined],
  ]);
  assertEquals(decode(encode([5n, Symbol("a")])), ["5", "Symbol(a)"]);
  assertEquals(decode(encode(Math.abs)), String(Math.abs));
  assertEquals(decode(encode({ $: "NaN", a: 1 })), { $: "NaN", a: 1 });
  assertEquals(decode(encode({ $: 1 })), 1);
  assertEquals(decode(encode(BigInt("9".repeat(300)))), "9".repeat(200));
});

async function linesOf(chunks: readonly string[], longest?: number): Promise<string[]> {
  const bytes = chunks.map((chunk) => new TextEncoder().encode(chunk));
  return await Array.fromAsync(textLines(ReadableStream.from(bytes), longest));
}

Deno.test("lines are the same in whatever pieces they come", async () => {
  const line = fc.string({ unit: fc.constantFrom("a", "é", "🙂"), maxLength: 6 });
  const cuts = fc.array(fc.nat(200));
  await fc.assert(fc.asyncProperty(fc.array(line), cuts, async (lines, places) => {
    const bytes = new TextEncoder().encode(lines.map((own) => `${own}\n`).join(""));
    const at = [0, ...places.map((own) => own % (bytes.length + 1)), bytes.length]
      .toSorted((a, b) => a - b);
    const pieces = at.slice(1).map((end, i) => bytes.slice(at[i], end));
    assertEquals(await Array.fromAsync(textLines(ReadableStream.from(pieces))), lines);
  }));
  assertEquals(await linesOf(["a\n", "b"]), ["a", "b"]);
  assertEquals(await linesOf(["abc", "def\n", "gh\n"], 4), ["abcd", "gh"]);
  assertEquals(await linesOf(["a\nabcdef\nb"], 4), ["a", "abcd", "b"]);
});

Deno.test("permissions: names of Deno, each perhaps with places", () => {
  assertEquals(parsePermissions("net"), { net: true });
  assertEquals(parsePermissions("read=a=b.txt,c.txt+import+env=HOME"), {
    read: ["a=b.txt", "c.txt"],
    import: true,
    env: ["HOME"],
  });
  assertEquals(permissionFlags({ read: ["a.txt", "b"], net: true }), [
    "--allow-read=a.txt,b",
    "--allow-net",
  ]);
  const all = "read+write+net+env+sys+run+ffi+import";
  assertEquals(
    permissionFlags(parsePermissions(all)).join(),
    all.replace(/^|\+/g, ",--allow-").slice(1),
  );
  const refusals: Readonly<Record<string, string>> = {
    "": '--reward-allow: there is no permission "": there are read, write,',
    all: '--reward-allow: there is no permission "all": there are read, write,',
    raed: '--reward-allow: there is no permission "raed": did you mean read?',
    "net+net=a": "--reward-allow names net twice",
    "net=": "--reward-allow: net= names a place that is empty",
    "net=a,,b": "--reward-allow: net= names a place that is empty",
  };
  for (const [text, message] of Object.entries(refusals)) {
    assertThrows(() => parsePermissions(text), UsageError, message);
  }
});
