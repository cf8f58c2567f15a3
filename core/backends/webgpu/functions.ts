/** The functions that a module uses, as WGSL: its own, and shared ones by their steps. */
import { elementary } from "../../lowering/elementary/elementary.ts";
import type { ScalarFunction } from "../../lowering/elementary/scalar.ts";
import type { ElementaryFunction } from "../../lowering/operations.ts";
import { type Definition, type Helper, helpers, type MathFunction, overrides } from "./math.ts";
import { applied, constant, nameOf, type TextOperand, type Use } from "./operations.ts";
import { laneType } from "./types.ts";

/** A function with its steps as statements. */
function translated(
  op: ElementaryFunction,
  { parameters, steps, value, dtype }: ScalarFunction,
): Definition {
  const needs = new Set<MathFunction>();
  const use: Use = (name) => {
    needs.add(name);
    return nameOf(name);
  };
  const values: TextOperand[] = parameters.map((dtype, i) => ({ text: `x${i}`, dtype }));
  const known = (number: number): TextOperand => {
    const found = values[number];
    if (found === undefined) throw new RangeError(`${op} has no value ${number} yet`);
    return found;
  };
  const lines = steps.flatMap((step) => {
    const { dtype } = step;
    if (step.kind === "constant") {
      values.push({ text: constant(dtype, step.value, use), dtype });
      return [];
    }
    const text = `v${values.length}`;
    const result = applied(step, step.operands.map(known), use);
    values.push({ text, dtype });
    if (step.onlyIf === undefined) return [`  let ${text} = ${result};`];
    // Computed if one of the lanes needs it.
    const condition = `any(${known(step.onlyIf).text})`;
    return [`  var ${text}: ${laneType(dtype)};`, `  if (${condition}) { ${text} = ${result}; }`];
  });
  const list = parameters.map((dtype, i) => `x${i}: ${laneType(dtype)}`).join(", ");
  const source = [
    `fn ${nameOf(op)}(${list}) -> ${laneType(dtype)} {`,
    ...lines,
    `  return ${known(value).text};`,
    "}",
  ].join("\n");
  return { needs: [...needs], source };
}

function isHelper(name: MathFunction): name is Helper {
  return Object.hasOwn(helpers, name);
}

function definitionOf(name: MathFunction): Definition {
  if (isHelper(name)) return helpers[name];
  const definition = overrides[name] ?? elementary[name];
  return "source" in definition ? definition : translated(name, definition);
}

/** The text of functions and their callees, each once, callees first. */
export function mathSource(used: Iterable<MathFunction>): string {
  const done = new Set<MathFunction>();
  const texts: string[] = [];
  const visit = (name: MathFunction) => {
    if (done.has(name)) return;
    done.add(name);
    const { needs, source } = definitionOf(name);
    needs.forEach(visit);
    texts.push(source);
  };
  for (const name of used) visit(name);
  return texts.join("\n");
}
