/** Folders for compiled code, which begin with the runtime. */
import { basename } from "node:path";
// Not public: the cache.
import { compileAll, findCompiler } from "../../core/backends/native/compiler.ts";
import { runtime } from "../../core/backends/native/library.ts";

/** A folder for what a test compiles. */
export const makeCache = (): string => Deno.makeTempDirSync({ prefix: "unitune-native-test-" });

/**
 * Puts the runtime into a folder for compiled code. It takes seconds to compile, so all tests take the
 * one in the user's cache, whose name is a digest of its source text and of the compiler.
 *
 * @returns The path of its library.
 */
export function addRuntime(cache: string): string {
  const [kept = ""] = compileAll(findCompiler(), [runtime]);
  const path = `${findCompiler(cache).folder}/${basename(kept)}`;
  Deno.copyFileSync(kept, path);
  return path;
}
