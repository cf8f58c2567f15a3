/**
 * Command line arguments as a record of options; see {@linkcode parseArgs}.
 *
 * @module
 */

/** An option's name, or a list of them. */
export type Names<Name extends string> = Name | readonly Name[];

/** How to parse; the names are type parameters, from which the result's type follows. */
export interface ParseOptions<
  Flag extends string = string,
  Text extends string = string,
  Many extends string = string,
  Negatable extends string = string,
  Defaults extends Readonly<Record<string, unknown>> = Readonly<Record<string, unknown>>,
  DoubleDash extends boolean = boolean,
> {
  /** Whether the arguments after `--` go to the result's `--` and not to its `_`. */
  "--"?: DoubleDash;
  /** Other names of an option; a value given to one is given to all. */
  alias?: Readonly<Record<string, Names<string>>>;
  /** Options without a value, `false` where not given; `true`: all `--options` without `=`. */
  boolean?: boolean | Names<Flag>;
  /** Options that gather the values of all their uses in an array; of others the last counts. */
  collect?: Names<Many>;
  /** The value of an option that is not given. */
  default?: Defaults;
  /** Options that `--no-<option>` sets to `false`. */
  negatable?: Names<Negatable>;
  /** Whether everything after the first argument that is no option is left unparsed in `_`. */
  stopEarly?: boolean;
  /** Options whose value stays a string even if it reads as a number. */
  string?: Names<Text>;
  /** Called with each argument not named in these options; `false` leaves it out. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** The type of one use of an option. */
type Scalar<Name, Flag, Text> = Name extends Flag ? boolean
  : Name extends Text ? string
  : unknown;

/** The type of an option once its uses are gathered and it may be negated. */
type Given<Name, Flag, Text, Many, Negatable> =
  | (Name extends Many ? Scalar<Name, Flag, Text>[] : Scalar<Name, Flag, Text>)
  | (Name extends Negatable ? false : never);

/** The options and the other arguments that were found; every alias has its option's value. */
export type Args<
  Flag extends string = never,
  Text extends string = never,
  Many extends string = never,
  Negatable extends string = never,
  Defaults extends Readonly<Record<string, unknown>> = Record<never, never>,
  DoubleDash extends boolean = false,
> =
  & { [other: string]: unknown; _: (string | number)[] }
  & {
    [Name in Exclude<Flag | Many, keyof Defaults>]: Given<Name, Flag, Text, Many, Negatable>;
  }
  & {
    [Name in Exclude<Text, Many | keyof Defaults>]?:
      | Given<Name, Flag, Text, Many, Negatable>
      | undefined;
  }
  & {
    [Name in keyof Defaults]: Defaults[Name] | Given<Name, Flag, Text, Many, Negatable>;
  }
  & (DoubleDash extends true ? { "--": string[] } : unknown);

const LONG = /^--(?<no>no-)?(?<key>.+?)(=(?<value>.*))?$/s;
const SHORT = /^-(?<letters>[^-].*)$/s;

/** What a regular expression's named groups matched. */
type Groups = Readonly<Record<string, string | undefined>>;

const list = <T extends string>(names: Names<T> | undefined): readonly T[] =>
  names === undefined ? [] : typeof names === "string" ? [names] : names;

/**
 * Parses command line arguments.
 *
 * `--key value`, `--key=value`, `--flag`, `-k value`, `-k=value`, `-k5` and grouped `-abc` are
 * options; an option followed by no value is `true`, or `""` if named in `string`. What is no option
 * is in `_`, as is everything after `--`. Values and other arguments that read as numbers become
 * numbers, unless named in `string` (`_` for the others); `--key=` and `-k=` give an empty text. Unlike the published function, dots in
 * names do not nest.
 *
 * @param args the arguments, such as `Deno.args`
 * @param options how to parse them
 * @returns the options by name, and the other arguments in `_`
 *
 * @example
 * ```ts
 * import { parseArgs } from "@std/cli/parse-args";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(
 *   parseArgs(["run", "-o", "runs/a", "--steps=100"], { string: ["out"], alias: { out: "o" } }),
 *   { _: ["run"], out: "runs/a", o: "runs/a", steps: 100 },
 * );
 * ```
 */
export function parseArgs<
  const Flag extends string = never,
  const Text extends string = never,
  const Many extends string = never,
  const Negatable extends string = never,
  Defaults extends Readonly<Record<string, unknown>> = Record<never, never>,
  DoubleDash extends boolean = false,
>(
  args: readonly string[],
  options?: ParseOptions<Flag, Text, Many, Negatable, Defaults, DoubleDash>,
): Args<Flag, Text, Many, Negatable, Defaults, DoubleDash>;
export function parseArgs(
  args: readonly string[],
  options: ParseOptions = {},
): { [name: string]: unknown; _: (string | number)[] } {
  const aliases = aliasGroups(options.alias ?? {});
  const withAliases = (names: readonly string[]): Set<string> =>
    new Set(names.flatMap((name) => [name, ...(aliases.get(name) ?? [])]));

  const allFlags = options.boolean === true;
  const flags = withAliases(typeof options.boolean === "boolean" ? [] : list(options.boolean));
  const texts = withAliases(list(options.string));
  const gathered = withAliases(list(options.collect));
  const negatable = withAliases(list(options.negatable));

  const end = args.indexOf("--");
  const parsed = end < 0 ? args : args.slice(0, end);
  const rest = end < 0 ? [] : args.slice(end + 1);
  const result: { [name: string]: unknown; _: (string | number)[] } = { _: [] };

  /** A finite number as JavaScript reads one, whatever its notation; else the text. */
  const number = (text: string): string | number =>
    /\S/.test(text) && Number.isFinite(Number(text)) ? Number(text) : text;

  function isKnown(key: string, arg: string): boolean {
    return flags.has(key) || texts.has(key) || aliases.has(key) || gathered.has(key) ||
      (allFlags && /^--[^=]+$/.test(arg));
  }

  function set(key: string, raw: string | boolean, arg: string, collect = true): void {
    if (!isKnown(key, arg) && options.unknown?.(arg, key, raw) === false) return;
    const value = typeof raw === "string" && !texts.has(key) ? number(raw) : raw;
    for (const name of [key, ...(aliases.get(key) ?? [])]) {
      if (isOfPrototype(name)) continue;
      const before = Object.hasOwn(result, name) ? result[name] : undefined;
      result[name] = !(collect && gathered.has(key))
        ? value
        : Array.isArray(before)
        ? [...before, value]
        : before
        ? [before, value]
        : [value];
    }
  }

  /** The value of an option at the end of its argument; whether that is the argument after it. */
  function setFromNext(
    key: string,
    arg: string,
    next: string | undefined,
    isValue: boolean,
  ): boolean {
    if (next && isValue) set(key, next, arg);
    else if (next === "true" || next === "false") set(key, next === "true", arg);
    else {
      set(key, texts.has(key) ? "" : true, arg);
      return false;
    }
    return true;
  }

  /** Parses `--key`; returns whether the next argument is its value. */
  function long(arg: string, { no, key = "", value }: Groups, next?: string): boolean {
    if (value !== undefined) {
      set(key, flags.has(key) ? value !== "false" : value, arg);
      return false;
    }
    if (no && negatable.has(key)) {
      set(key, false, arg, false);
      return false;
    }
    const name = (no ?? "") + key;
    const isValue = !allFlags && !flags.has(name) && !next?.startsWith("-");
    return setFromNext(name, arg, next, isValue);
  }

  /** Parses `-abc`; returns whether the next argument is the value of the last letter. */
  function short(arg: string, letters: string, next?: string): boolean {
    const last = letters.length - 1;
    for (let i = 0; i < last; i++) {
      const letter = letters.charAt(i);
      const tail = letters.slice(i + 1);
      const value = attachedValue(letter, tail, i + 1 < last);
      if (value === undefined) set(letter, texts.has(letter) ? "" : true, arg);
      else {
        set(letter, value, arg);
        if (tail !== "-") return false;
      }
    }
    const key = letters.charAt(last);
    if (key === "-") return false;
    const isValue = !flags.has(key) && !/^--?[^-]/.test(next ?? "");
    return setFromNext(key, arg, next, isValue);
  }

  for (let i = 0; i < parsed.length; i++) {
    const arg = parsed[i] ?? "";
    const next = parsed[i + 1];
    const option = LONG.exec(arg)?.groups;
    const { letters } = SHORT.exec(arg)?.groups ?? {};
    if (option) {
      if (long(arg, option, next)) i++;
    } else if (letters) {
      if (short(arg, letters, next)) i++;
    } else {
      if (options.unknown?.(arg) !== false) result._.push(texts.has("_") ? arg : number(arg));
      if (options.stopEarly) {
        for (const next of parsed.slice(i + 1)) result._.push(next);
        break;
      }
    }
  }

  const missing = (name: string): boolean => !Object.hasOwn(result, name);
  for (const [name, value] of Object.entries(options.default ?? {})) {
    if (!missing(name)) continue;
    for (const alias of [name, ...(aliases.get(name) ?? [])]) {
      if (!isOfPrototype(alias)) result[alias] = value;
    }
  }
  for (const name of flags) if (missing(name)) result[name] = gathered.has(name) ? [] : false;
  for (const name of texts) if (missing(name) && gathered.has(name)) result[name] = [];

  if (options["--"]) result["--"] = [...rest];
  else for (const argument of rest) result._.push(argument);
  return result;
}

/** For each name, the names that share its value. */
function aliasGroups(
  alias: Readonly<Record<string, Names<string>>>,
): ReadonlyMap<string, readonly string[]> {
  return new Map(
    Object.entries(alias).flatMap(([name, others]) => {
      const group = [name, ...list(others)];
      return group.map((member) => [member, group.filter((other) => other !== member)] as const);
    }),
  );
}

/** Names that an object has from its prototype and that would change it: they are left out. */
function isOfPrototype(name: string): boolean {
  return name === "__proto__" || name === "constructor";
}

/** The value that follows a letter within a group: `-k=v`, `-k=`, `-k5`, `-k/path`, `-k-`. */
function attachedValue(letter: string, tail: string, hasMore: boolean): string | undefined {
  if (tail === "-") return tail;
  if (tail === "=") return "";
  if (/[a-z]/i.test(letter)) {
    const value = /=(?<value>.+)/.exec(tail)?.groups?.value;
    if (value !== undefined) return value;
    if (/-?\d+(\.\d*)?(e-?\d+)?$/.test(tail)) return tail;
  }
  return hasMore && /^\W/.test(tail) ? tail : undefined;
}
