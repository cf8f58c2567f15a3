/** Type checks of a changed file, by a language service that keeps the unchanged files. */
import type { Repository } from "./repository.ts";
import { ts } from "./typescript.ts";

/** Checks types of one changed file at a time. */
export interface TypeChecker {
  /** Whether the repository type-checks with this text in place of the file's own. */
  accepts(file: string, text: string): boolean;
}

/** The options of `deno.json`, and Deno's own. */
const options: ts.CompilerOptions = {
  strict: true,
  noImplicitOverride: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  target: ts.ScriptTarget.ESNext,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  allowImportingTsExtensions: true,
  emitDeclarationOnly: true,
  declaration: true,
  lib: ["lib.esnext.d.ts"],
  types: [],
  skipLibCheck: true,
};

/** The name of the file that declares Deno's own globals. */
const GLOBALS = "deno.d.ts";

/**
 * A type checker of a repository.
 *
 * A change is checked in its own file. Other files are checked if it changes the declarations of
 * the file.
 *
 * @param repository The files.
 * @param globals Declarations of Deno's globals, as `deno types` prints them.
 * @returns The checker.
 */
export function typeChecker({ root, files, resolve }: Repository, globals: string): TypeChecker {
  const own = new Map([...files, [GLOBALS, globals]]);
  const versions = new Map<string, number>();
  let changed: { readonly file: string; readonly text: string } | undefined;
  const pathOf = (name: string) => name.startsWith(root) ? name.slice(root.length) : name;
  const textOf = (name: string): string | undefined => {
    const path = pathOf(name);
    return path === changed?.file ? changed.text : own.get(path) ?? ts.sys.readFile(name);
  };
  const service = ts.createLanguageService({
    getCompilationSettings: () => options,
    getCurrentDirectory: () => root,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    getScriptFileNames: () => Array.from(own.keys(), (path) => root + path),
    getScriptVersion: (name) => `${versions.get(pathOf(name)) ?? 0}`,
    getScriptSnapshot(name) {
      const text = textOf(name);
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
    },
    fileExists: (name) => textOf(name) !== undefined,
    readFile: textOf,
    resolveModuleNameLiterals: (literals, from) =>
      literals.map(({ text }) => {
        const path = resolve(text, pathOf(from));
        return {
          resolvedModule: path === undefined
            ? undefined
            : { resolvedFileName: root + path, extension: ts.Extension.Ts },
        };
      }),
  });

  const replace = (file: string, text?: string) => {
    changed = text === undefined ? undefined : { file, text };
    versions.set(file, (versions.get(file) ?? 0) + 1);
  };
  const diagnosticsOf = (file: string): string[] =>
    [
      ...service.getSyntacticDiagnostics(root + file),
      ...service.getSemanticDiagnostics(root + file),
    ].map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
  const declarationsOf = (file: string): string =>
    service.getEmitOutput(root + file, true, true).outputFiles.map(({ text }) => text).join();

  // The diagnostics of a file without its change, such as imports of packages that are not resolved
  // here.
  const known = new Map<string, { readonly diagnostics: string[]; readonly declared: string }>();
  const knownOf = (file: string) => {
    const found = known.get(file) ??
      { diagnostics: diagnosticsOf(file), declared: declarationsOf(file) };
    known.set(file, found);
    return found;
  };
  const isSound = (file: string, before: readonly string[]) =>
    diagnosticsOf(file).every((diagnostic) => before.includes(diagnostic));

  return {
    accepts(file, text) {
      const { diagnostics, declared } = knownOf(file);
      replace(file, text);
      const isAccepted = isSound(file, diagnostics);
      const isLocal = !isAccepted || declarationsOf(file) === declared;
      replace(file);
      if (isLocal) return isAccepted;
      const others = [...files.keys()].filter((other) =>
        other !== file && !other.startsWith("tests/") && other.includes("/")
      );
      const before = others.map((other) => [other, knownOf(other).diagnostics] as const);
      replace(file, text);
      const areSound = before.every(([other, diagnostics]) => isSound(other, diagnostics));
      replace(file);
      return areSound;
    },
  };
}
