/** One flag for the options of several objectives: what it takes, and which defaults it tells. */
import { assertEquals } from "@std/assert";
import { settingFlags } from "@unitune/cli";
import {
  defineObjective,
  estimate,
  gold,
  indicator,
  nll,
  type NumberOption,
  objective,
  type Option,
} from "@unitune/objectives";

/** The flag `--zeal`, which objectives have in common, named a, b, c, ... */
function zealOf(...options: readonly Option[]) {
  const objectives = options.map((option, i) =>
    defineObjective({
      ...{ name: "abc".charAt(i), options: { zeal: option }, data: "demonstrations" },
      ...{ reference: "none", teacher: false, values: false, trains: "policy" },
      make: () => objective(estimate(gold, indicator), nll()),
    })
  );
  const table: Readonly<Record<string, object>> = settingFlags({ objectives });
  return table.zeal ?? {};
}

const help = "How eager.";
const number = (own: Partial<NumberOption>): NumberOption => ({ kind: "number", help, ...own });

/** The limits of a flag for some options. */
function limitsOf(...options: readonly Partial<NumberOption>[]) {
  const limits: { [name: string]: unknown } = { ...zealOf(...options.map(number)) };
  return Object.fromEntries(
    ["min", "above", "max", "below"].flatMap((name) =>
      limits[name] === undefined ? [] : [[name, limits[name]]]
    ),
  );
}

Deno.test("a flag of several objectives takes what any of them takes", () => {
  const rows: readonly (readonly [
    options: readonly Partial<NumberOption>[],
    limits: Partial<NumberOption>,
  ])[] = [
    [[{ min: 2 }, { min: 1 }], { min: 1 }],
    [[{ above: 2 }, { min: 1 }], { min: 1 }],
    [[{ above: 1 }, { min: 2 }], { above: 1 }],
    // What reaches a limit is looser than what misses it.
    [[{ above: 1 }, { min: 1 }], { min: 1 }],
    [[{ min: 1 }, {}], {}],
    [[{ above: -1 }, {}], {}],
    // Of two limits of one option, the strict one counts.
    [[{ min: 1, above: 1 }, { above: 3 }], { above: 1 }],
    [[{ min: 1, above: 0 }, { min: 3 }], { min: 1 }],
    [[{ max: 2 }, { max: 1 }], { max: 2 }],
    [[{ below: 2 }, { max: 3 }], { max: 3 }],
    [[{ below: 3 }, { max: 2 }], { below: 3 }],
    [[{ below: 1 }, { max: 1 }], { max: 1 }],
    [[{ max: 1 }, {}], {}],
    [[{ max: 2, below: 2 }, { below: 1 }], { below: 2 }],
    [[{ max: 2, below: 3 }, { max: 1 }], { max: 2 }],
    [[{ min: 0, max: 1 }, { above: -1, below: 2 }], { above: -1, below: 2 }],
  ];
  for (const [options, limits] of rows) {
    assertEquals(limitsOf(...options), limits);
    assertEquals(limitsOf(...options.toReversed()), limits);
  }
});

Deno.test("a flag of several objectives tells their defaults, the usual one first", () => {
  const told = (...options: readonly Partial<NumberOption>[]) => {
    const flag: { [name: string]: unknown } = { ...zealOf(...options.map(number)) };
    return flag.default ?? flag.defaultHelp;
  };
  assertEquals(told({ default: 2 }, { default: 2 }), 2);
  assertEquals(told({ default: 2 }, { default: 3 }), "2 for a, 3 for b");
  assertEquals(told({ default: 3 }, { default: 2 }, { default: 2 }), "2; 3 for a");
  assertEquals(told({ default: 2 }, {}), "2");
  assertEquals(told({ defaultHelp: "as before" }, { defaultHelp: "as before" }), "as before");
  assertEquals(told({}, {}), undefined);
});

Deno.test("a flag of words takes those of all objectives, and one of truth tells where it is true", () => {
  const choice = (choices: readonly string[], own: string): Option => ({
    ...{ kind: "choice", choices, help, default: own },
  });
  assertEquals(zealOf(choice(["x", "y"], "x"), choice(["y", "z"], "y")), {
    ...{ kind: "choice", choices: ["x", "y", "z"], help, defaultHelp: "x for a, y for b" },
    ...{ group: "Objective", when: { objective: ["a", "b"] } },
    scope: "objectives on answers",
  });
  const own = {
    ...{ help, group: "Objective", when: { objective: ["a", "b"] } },
    scope: "objectives on answers",
  };
  const truth = (value: boolean): Option => ({ kind: "boolean", help, default: value });
  assertEquals(zealOf(truth(true), truth(true)), { ...own, kind: "boolean", default: true });
  assertEquals(zealOf(truth(true), truth(false)), {
    ...{ ...own, kind: "boolean", defaultHelp: "true for a, false for b" },
  });
  const text = (value: string): Option => ({ kind: "string", help, default: value });
  assertEquals(zealOf(text("x"), text("x")), { ...own, kind: "string", default: "x" });
  assertEquals(zealOf(text("x"), text("y")), {
    ...{ ...own, kind: "string", defaultHelp: "x for a, y for b" },
  });
  // Numbers without a default have none in words either.
  assertEquals(zealOf(number({ min: 1 }), number({})), { ...own, kind: "number" });
});
