/**
 * Lint rules of this repository, beside those of `deno lint`.
 *
 * @module
 */

type Node = Deno.lint.Node;

/** The name of a function's rest parameter, if it has one. */
function restName(node: Node): string | undefined {
  if (
    node.type !== "FunctionDeclaration" && node.type !== "FunctionExpression" &&
    node.type !== "ArrowFunctionExpression"
  ) return undefined;
  const last = node.params.at(-1);
  return last?.type === "RestElement" && last.argument.type === "Identifier"
    ? last.argument.name
    : undefined;
}

/** Whether the source shows every element of an array. */
function isWrittenOut(node: Node): boolean {
  switch (node.type) {
    case "ArrayExpression":
      return node.elements.every((element) =>
        element.type !== "SpreadElement" || isWrittenOut(element.argument)
      );
    case "ConditionalExpression":
      return isWrittenOut(node.consequent) && isWrittenOut(node.alternate);
    default:
      return false;
  }
}

const message = "A list as the arguments of a call overflows the stack where it is long";
const hint = "Use a loop or reduce";

/**
 * Forbids spreads into the arguments of a call. Arguments are kept on the stack, which has room for
 * about a hundred thousand of them: `Math.max(...rows)` passes every test, and fails with a large
 * file. So does `f.apply(object, rows)`.
 *
 * The rule allows a list that is written out, and a function's own rest parameter, whose length its
 * callers have written. A list that is short for another reason (the sizes of a shape) takes
 * `// deno-lint-ignore unitune/no-spread-of-data -- REASON`. Tests may spread their own data.
 */
const noSpreadOfData: Deno.lint.Rule = {
  create(context) {
    if (/[/\\]tests[/\\]/.test(context.filename)) return {};
    const check = (call: Deno.lint.CallExpression | Deno.lint.NewExpression) => {
      for (const argument of call.arguments) {
        if (argument.type !== "SpreadElement") continue;
        const { argument: list } = argument;
        const isHandedOn = list.type === "Identifier" &&
          context.sourceCode.getAncestors(call).some((node) => restName(node) === list.name);
        if (isHandedOn || isWrittenOut(list)) continue;
        context.report({ node: argument, message, hint });
      }
    };
    return {
      CallExpression(call) {
        check(call);
        const { callee, arguments: given } = call;
        const [, list] = given;
        if (
          callee.type !== "MemberExpression" || callee.property.type !== "Identifier" ||
          callee.property.name !== "apply" || list === undefined || isWrittenOut(list)
        ) return;
        context.report({ node: call, message, hint });
      },
      NewExpression: check,
    };
  },
};

const plugin: Deno.lint.Plugin = {
  name: "unitune",
  rules: { "no-spread-of-data": noSpreadOfData },
};

// The export that `deno lint` loads.
export default plugin;
