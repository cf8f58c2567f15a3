/** Compiled C: kept in the cache, of sizes that differ, by a compiler that may be missing. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { add, compile, matmul, mul, ones, tanh, type Tensor, tensor } from "@unitune/core";
import { native, NativeUnavailableError } from "@unitune/core/native";
// Not public: the cache.
import { compileAll, findCompiler } from "../../core/backends/native/compiler.ts";
import { testOnNative } from "./machine.ts";
import { addRuntime, makeCache } from "./runtime.ts";

/** The libraries in a cache. */
function libraries(cache: string): string[] {
  return [...Deno.readDirSync(cache)].flatMap(({ name }) =>
    [...Deno.readDirSync(`${cache}/${name}`)].map((file) => `${cache}/${name}/${file.name}`)
  ).filter((path) => path.endsWith(".so")).toSorted();
}

const f = (x: Tensor) => tanh(add(matmul(x, x), mul(x, 0.5)));

testOnNative("what is compiled serves other sizes, other devices and other runs", async () => {
  const cache = makeCache();
  try {
    addRuntime(cache);
    const results: unknown[] = [];
    const counts: number[] = [];
    for (const size of [5, 5, 8, 33]) {
      using device = native({ cache });
      using program = compile(f, { device });
      results.push(await program(ones([size, size])).data());
      counts.push(libraries(cache).length);
    }
    assertEquals(results[0], results[1]);
    // The runtime, the body of `ones`, and the epilogue.
    assertEquals(counts, [3, 3, 3, 3]);
    const [folder] = [...Deno.readDirSync(cache)];
    const left = [...Deno.readDirSync(`${cache}/${folder?.name}`)].map(({ name }) => name);
    assertEquals(left.filter((name) => name.startsWith("new-") || name.includes("-")), []);
  } finally {
    Deno.removeSync(cache, { recursive: true });
  }
});

testOnNative("a cache whose library is gone is filled again", async () => {
  const cache = makeCache();
  try {
    const runtime = addRuntime(cache);
    const once = async () => {
      using device = native({ cache });
      using program = compile(f, { device });
      return await program(ones([4, 4])).data();
    };
    const expected = await once();
    const compiled = libraries(cache);
    const bodies = compiled.filter((path) => path !== runtime);
    assert(bodies.length > 0);
    for (const path of bodies) Deno.removeSync(path);
    assertEquals(await once(), expected);
    assertEquals(libraries(cache), compiled);
  } finally {
    Deno.removeSync(cache, { recursive: true });
  }
});

testOnNative("several files are compiled at a time, and one that is wrong is named", () => {
  const cache = makeCache();
  try {
    const compiler = findCompiler(cache);
    const file = (source: string) => ({ source, flags: [] });
    const paths = compileAll(compiler, [file("int one(void) { return 1; }"), file("int two;")]);
    assertEquals(paths.map((path) => Deno.statSync(path).isFile), [true, true]);
    assertThrows(
      () => compileAll(compiler, [file("int three;"), file("this is no C")]),
      Error,
      `${compiler.command} failed to compile a program: `,
    );
    assertEquals(
      [...Deno.readDirSync(compiler.folder)].filter(({ name }) => name.startsWith("new-")),
      [],
    );
  } finally {
    Deno.removeSync(cache, { recursive: true });
  }
  return Promise.resolve();
});

Deno.test("without a compiler there is a sentence that says what to do", () => {
  const error = assertThrows(
    () => findCompiler("unused", ["no-such-compiler"]),
    NativeUnavailableError,
    "no compiler was found (no-such-compiler): install one",
  );
  assert(error.message.length < 300);
});

testOnNative(
  "f64 is refused, with what to use",
  async (device) => {
    using double = compile((x: Tensor) => mul(x, 2), { device });
    assertEquals(await double(tensor([3])).data(), new Float32Array([6]));
    const f64 = tensor([1], { dtype: "f64" });
    assertThrows(() => double(f64), TypeError, "the native backend computes in f32");
  },
);
