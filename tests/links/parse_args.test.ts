// The rows state the published @std/cli's behaviour, so they hold with and without the links.
import { assertEquals } from "@std/assert";
import { parseArgs, type ParseOptions } from "@std/cli/parse-args";

interface Row {
  readonly args: string;
  readonly options?: ParseOptions;
  readonly result: Record<string, unknown>;
}

const table: Record<string, readonly Row[]> = {
  "options and other arguments": [
    { args: "", result: { _: [] } },
    { args: "foo bar", result: { _: ["foo", "bar"] } },
    { args: "--a", result: { a: true, _: [] } },
    { args: "--key value rest", result: { key: "value", _: ["rest"] } },
    { args: "--key=value rest", result: { key: "value", _: ["rest"] } },
    { args: "--key=a=b", result: { key: "a=b", _: [] } },
    { args: "--key= rest", result: { key: "", _: ["rest"] } },
    { args: "--key=", options: { boolean: "key" }, result: { key: true, _: [] } },
    { args: "--no-moo=5", result: { moo: 5, _: [] } },
    { args: "--=x", result: { "=x": true, _: [] } },
    { args: "--__proto__ 5 --constructor 6", result: { _: [] } },
    { args: "--a --b", result: { a: true, b: true, _: [] } },
    { args: "--a x --a y", result: { a: "y", _: [] } },
    { args: "--a true --b false", result: { a: "true", b: "false", _: [] } },
    { args: "--no-moo", result: { "no-moo": true, _: [] } },
    { args: "--", result: { _: [] } },
    { args: "--a -- --b 7", result: { a: true, _: ["--b", "7"] } },
    { args: "x -- y", options: { "--": true }, result: { _: ["x"], "--": ["y"] } },
  ],
  "letters": [
    { args: "-a", result: { a: true, _: [] } },
    { args: "-a x", result: { a: "x", _: [] } },
    { args: "-a=x", result: { a: "x", _: [] } },
    { args: "-abc", result: { a: true, b: true, c: true, _: [] } },
    { args: "-abc x", result: { a: true, b: true, c: "x", _: [] } },
    { args: "-n5", result: { n: 5, _: [] } },
    { args: "-123 456", result: { 1: true, 2: true, 3: 456, _: [] } },
    { args: "-I/a/b", result: { I: "/a/b", _: [] } },
    { args: "-xI/a/b", result: { x: true, I: "/a/b", _: [] } },
    { args: "-e==", result: { e: "=", _: [] } },
    { args: "-f= x", result: { f: "", _: ["x"] } },
    { args: "-abc=", result: { a: true, b: true, c: "", _: [] } },
    { args: "-ab=c=d", result: { a: "c=d", _: [] } },
    { args: "-f-", result: { f: "-", _: [] } },
    { args: "-n -", result: { n: "-", _: [] } },
    { args: "-", result: { _: ["-"] } },
    { args: "-a -b", result: { a: true, b: true, _: [] } },
  ],
  "numbers": [
    {
      args: "--a 3 --b -3 --c=-3 --d 1e-3 --e 0xff --f 10f --g .5 7",
      result: { a: 3, b: true, 3: true, c: -3, d: 1e-3, e: 255, f: "10f", g: 0.5, _: [7] },
    },
    { args: "--a 1E5 --b 0XFF", result: { a: 1e5, b: 255, _: [] } },
    {
      args: "0b11 0o17 +5 5. 1_000 1e400 Infinity",
      result: { _: [3, 15, 5, 5, "1_000", "1e400", "Infinity"] },
    },
  ],
  "string": [
    { args: "--s 007", options: { string: "s" }, result: { s: "007", _: [] } },
    { args: "--s", options: { string: ["s"] }, result: { s: "", _: [] } },
    { args: "-s", options: { string: ["s"] }, result: { s: "", _: [] } },
    { args: "7 8", options: { string: "_" }, result: { _: ["7", "8"] } },
    { args: "", options: { string: "s" }, result: { _: [] } },
    { args: "--s --t", options: { string: ["s"] }, result: { s: "", t: true, _: [] } },
  ],
  "boolean": [
    { args: "--b x", options: { boolean: "b" }, result: { b: true, _: ["x"] } },
    { args: "--b false x", options: { boolean: "b" }, result: { b: false, _: ["x"] } },
    { args: "-b true x", options: { boolean: "b" }, result: { b: true, _: ["x"] } },
    { args: "--b=false", options: { boolean: "b" }, result: { b: false, _: [] } },
    { args: "--b=other", options: { boolean: "b" }, result: { b: true, _: [] } },
    { args: "", options: { boolean: ["a", "b"] }, result: { a: false, b: false, _: [] } },
    { args: "--a x -p 5", options: { boolean: true }, result: { a: true, p: 5, _: ["x"] } },
    { args: "--a=x", options: { boolean: true }, result: { a: "x", _: [] } },
  ],
  "alias": [
    { args: "-z 5", options: { alias: { z: "zoom" } }, result: { z: 5, zoom: 5, _: [] } },
    {
      args: "--zm 5",
      options: { alias: { z: ["zm", "zoom"] } },
      result: { z: 5, zm: 5, zoom: 5, _: [] },
    },
    {
      args: "-h x",
      options: { boolean: "help", alias: { h: "help" } },
      result: { h: true, help: true, _: ["x"] },
    },
    {
      args: "-s 007",
      options: { string: "seed", alias: { seed: "s" } },
      result: { s: "007", seed: "007", _: [] },
    },
  ],
  "default": [
    { args: "", options: { default: { a: 1 } }, result: { a: 1, _: [] } },
    { args: "--a 2", options: { default: { a: 1 } }, result: { a: 2, _: [] } },
    { args: "", options: { boolean: "a", default: { a: null } }, result: { a: null, _: [] } },
    {
      args: "",
      options: { default: { a: 1 }, alias: { a: "all" } },
      result: { a: 1, all: 1, _: [] },
    },
  ],
  "collect": [
    { args: "--a x --a y", options: { collect: "a" }, result: { a: ["x", "y"], _: [] } },
    { args: "--a --a", options: { collect: "a" }, result: { a: [true, true], _: [] } },
    { args: "", options: { collect: "a" }, result: { _: [] } },
    { args: "", options: { collect: "a", string: "a" }, result: { a: [], _: [] } },
    { args: "", options: { collect: "a", boolean: "a" }, result: { a: [], _: [] } },
    {
      args: "-f 1 --foo 2",
      options: { collect: "foo", string: "foo", alias: { foo: "f" } },
      result: { f: ["1", "2"], foo: ["1", "2"], _: [] },
    },
  ],
  "negatable": [
    { args: "--no-a", options: { boolean: "a", negatable: "a" }, result: { a: false, _: [] } },
    { args: "--a --no-a", options: { boolean: "a", negatable: "a" }, result: { a: false, _: [] } },
    { args: "--no-a --a", options: { boolean: "a", negatable: "a" }, result: { a: true, _: [] } },
    {
      args: "--a x --no-a",
      options: { string: "a", collect: "a", negatable: "a" },
      result: { a: false, _: [] },
    },
  ],
  "stopEarly": [
    {
      args: "--a b c --d 5",
      options: { stopEarly: true },
      result: { a: "b", _: ["c", "--d", "5"] },
    },
  ],
};

for (const [name, rows] of Object.entries(table)) {
  for (const { args, options, result } of rows) {
    Deno.test(`parseArgs, ${name}: ${args || "nothing"} ${JSON.stringify(options ?? {})}`, () => {
      assertEquals<unknown>(parseArgs(args.split(" ").filter(Boolean), options), result);
    });
  }
}

Deno.test("parseArgs keeps white space and empty values", () => {
  assertEquals<unknown>(parseArgs(["--s=X\nY", " ", ""]), { s: "X\nY", _: [" ", ""] });
  assertEquals<unknown>(parseArgs(["--s", ""], { string: "s" }), { s: "", _: [""] });
});

Deno.test("parseArgs tells what is unknown, and leaves it out where told to", () => {
  const unknown: unknown[] = [];
  const result = parseArgs(["--known", "5", "--lamda", "0.2", "-q", "stray", "--on"], {
    string: ["known"],
    boolean: ["on"],
    unknown: (...call) => {
      unknown.push(call);
      return false;
    },
  });
  assertEquals(unknown, [["--lamda", "lamda", "0.2"], ["-q", "q", "stray"]]);
  assertEquals<unknown>(result, { known: "5", on: true, _: [] });

  const strays: unknown[] = [];
  parseArgs(["a"], { unknown: (...call) => strays.push(call) });
  assertEquals(strays, [["a"]]);
});

Deno.test("parseArgs infers the types of the options", () => {
  const args = parseArgs(["--steps", "5"], {
    string: ["out", "steps", "tag"],
    boolean: ["resume"],
    collect: ["tag"],
    default: { out: "runs" },
  });
  const out: string = args.out;
  const steps: string | undefined = args.steps;
  const resume: boolean = args.resume;
  const tags: string[] = args.tag;
  assertEquals({ out, steps, resume, tags }, { out: "runs", steps: "5", resume: false, tags: [] });
});
