/** The files that a file runs, directly or through others. */
import type { Repository } from "./repository.ts";
import { ts } from "./typescript.ts";

/** The number of imports between a file and each file that it runs; 0 for itself. */
export type Distances = ReadonlyMap<string, number>;

/** The imports and exports of a module. */
interface Module {
  /** The imported names by path; `*` for all. */
  readonly imports: readonly (readonly [path: string, name: string])[];
  /** Re-exported names: the module that has each, and its name there. */
  readonly handedOn: ReadonlyMap<string, readonly [path: string, name: string]>;
  /** Modules whose names are all re-exported. */
  readonly stars: readonly string[];
  /** The names that the module itself exports. */
  readonly own: ReadonlySet<string>;
}

/** Names in braces, less the types: each name there, and here. */
function namesIn(
  bindings: ts.NamedImports | ts.NamedExports,
): (readonly [there: string, here: string])[] {
  const elements: readonly (ts.ImportSpecifier | ts.ExportSpecifier)[] = bindings.elements;
  return elements.filter(({ isTypeOnly }) => !isTypeOnly).map(
    ({ propertyName, name }) => [(propertyName ?? name).text, name.text],
  );
}

/** The names that an exported statement declares, unless it is of types only. */
function declaredBy(node: ts.Node): string[] {
  const isExported = ts.canHaveModifiers(node) &&
    ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
  if (!isExported) return [];
  if (ts.isVariableStatement(node)) {
    return node.declarationList.declarations.flatMap(({ name }) =>
      ts.isIdentifier(name) ? [name.text] : []
    );
  }
  return (ts.isFunctionDeclaration(node) || ts.isClassDeclaration(node)) && node.name
    ? [node.name.text]
    : [];
}

function moduleOf(
  { files, resolve }: Repository,
  file: string,
  text: string,
  programs: readonly string[],
): Module {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest);
  const imports: [string, string][] = [];
  const handedOn = new Map<string, readonly [string, string]>();
  const stars: string[] = [];
  const own = new Set(source.statements.flatMap(declaredBy));
  const targetOf = (specifier: ts.Node | undefined) =>
    specifier && ts.isStringLiteral(specifier) ? resolve(specifier.text, file) : undefined;

  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      const [target, clause] = [targetOf(node.moduleSpecifier), node.importClause];
      if (target === undefined || clause?.phaseModifier === ts.SyntaxKind.TypeKeyword) return;
      const bindings = clause?.namedBindings;
      const names = bindings && ts.isNamedImports(bindings)
        ? namesIn(bindings).map(([there]) => there)
        : bindings || clause === undefined
        ? ["*"]
        : [];
      if (clause?.name) names.push("default");
      for (const name of names) imports.push([target, name]);
      return;
    }
    if (ts.isExportDeclaration(node)) {
      const [target, clause] = [targetOf(node.moduleSpecifier), node.exportClause];
      if (target === undefined || node.isTypeOnly) return;
      if (clause === undefined || !ts.isNamedExports(clause)) stars.push(target);
      else for (const [there, here] of namesIn(clause)) handedOn.set(here, [target, there]);
      return;
    }
    // Threads and programs are started by the paths of their files, from the folder of this one or
    // from the root, and packages are loaded so.
    if (ts.isStringLiteralLike(node) && node.text.endsWith(".ts")) {
      const target = resolve(node.text, file) ?? resolve(`./${node.text}`, file) ??
        (files.has(node.text) ? node.text : undefined);
      if (target !== undefined) imports.push([target, "*"]);
    }
    // Tasks are started by their names, which the configuration has.
    if (ts.isStringLiteralLike(node) && node.text === "deno.json") {
      for (const program of programs) imports.push([program, "*"]);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return { imports, handedOn, stars, own };
}

/** The files that run others. */
export interface Reach {
  /**
   * The files that a file imports names from: the file that has a name, not files that re-export
   * it.
   */
  readonly edges: ReadonlyMap<string, ReadonlySet<string>>;
  /** The distances of a file to all that it runs. */
  from(file: string): Distances;
}

/**
 * Reads the imports of a repository. A name that a `mod.ts` re-exports belongs to the file that has
 * it, so importing one function of a package does not run all of the package.
 *
 * @param repository The files, and the configuration, whose tasks name programs.
 * @returns The files that run others.
 */
export function reachOf(repository: Repository): Reach {
  const { files, configuration } = repository;
  const programs = [...configuration.matchAll(/[\w/]+\.ts\b/g)].flatMap(([path]) =>
    files.has(path) ? [path] : []
  );
  const modules = new Map(
    [...files].map(([file, text]) => [file, moduleOf(repository, file, text, programs)]),
  );

  /** The files that have a name, or all re-exported ones. */
  const holdersOf = (path: string, name: string, seen: readonly string[] = []): string[] => {
    const module = modules.get(path);
    if (module === undefined || seen.includes(path)) return [];
    const handed = module.handedOn.get(name);
    if (handed !== undefined) {
      const [holder, there] = handed;
      return holdersOf(holder, there, [...seen, path]);
    }
    if (name === "*") {
      const parts = [...module.handedOn.values()].map(([part]) => part);
      return [path, ...parts, ...module.stars];
    }
    return module.own.has(name)
      ? [path]
      : module.stars.flatMap((star) => holdersOf(star, name, [...seen, path]));
  };
  const edges = new Map(
    [...modules].map(([file, { imports, handedOn, stars }]) => [
      file,
      new Set([
        ...imports.flatMap(([path, name]) => holdersOf(path, name)),
        ...[...handedOn.values()].flatMap(([path, name]) => holdersOf(path, name)),
        ...stars,
      ]),
    ]),
  );
  return {
    edges,
    from(file) {
      const distances = new Map([[file, 0]]);
      // Iterating over a map includes entries that are added on the way.
      for (const [reached, distance] of distances) {
        for (const next of edges.get(reached) ?? []) {
          if (!distances.has(next)) distances.set(next, distance + 1);
        }
      }
      return distances;
    },
  };
}
