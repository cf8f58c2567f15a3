/** The changes that a mutant may have: each operator finds its places in a syntax tree. */
import { ts } from "./typescript.ts";

/** One change of a source text. */
export interface Mutation {
  /** The kind of change, such as `swap` or `plus-one`. */
  readonly operator: string;
  /** The beginning of the replaced text. */
  readonly start: number;
  /** Its end. */
  readonly end: number;
  /** The text in its place. */
  readonly replacement: string;
}

/** The change of a whole node. */
interface Change {
  readonly operator: string;
  readonly node: ts.Node;
  readonly replacement: string;
}

/** Operators of two operands, and of assignments. The swap keeps the grouping of the operands. */
const swaps: Readonly<Record<string, string>> = {
  ...{ "+": "-", "-": "+", "*": "/", "/": "*", "%": "*", "**": "*" },
  ...{ "<": "<=", "<=": "<", ">": ">=", ">=": ">", "===": "!==", "!==": "===" },
  ...{ "&&": "||", "||": "&&", "&": "|", "|": "&", "^": "&", "<<": ">>", ">>": "<<", ">>>": "<<" },
  ...{ "+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=", "&=": "|=", "|=": "&=", "^=": "&=" },
  ...{ "<<=": ">>=", ">>=": "<<=", ">>>=": "<<=", "++": "--", "--": "++" },
};

const pairs: readonly (readonly [string, string])[] = [
  ["min", "max"],
  ["floor", "ceil"],
  ["some", "every"],
  ["add", "sub"],
  ["mul", "div"],
  ["minimum", "maximum"],
  ["less", "lessEqual"],
  ["greater", "greaterEqual"],
  ["equal", "notEqual"],
  ["and", "or"],
];

/** Functions that have a counterpart of the same signature, among them operations on tensors. */
const counterparts: ReadonlyMap<string, string> = new Map(
  pairs.flatMap(([a, b]) => [[a, b], [b, a]] as const),
);

/** Whether the syntax alone shows an expression to be a text. */
function isText(node: ts.Node): boolean {
  return ts.isStringLiteralLike(node) || ts.isTemplateExpression(node) ||
    ts.isBinaryExpression(node) && (isText(node.left) || isText(node.right));
}

function swapped(operator: ts.Node): Change[] {
  const replacement = swaps[operator.getText()];
  return replacement === undefined ? [] : [{ operator: "swap", node: operator, replacement }];
}

function binary(node: ts.Node): Change[] {
  if (!ts.isBinaryExpression(node) || isText(node)) return [];
  const { operatorToken, right } = node;
  return operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken
    ? [{ operator: "fallback", node, replacement: right.getText() }]
    : swapped(operatorToken);
}

function unary(node: ts.Node): Change[] {
  if (ts.isPostfixUnaryExpression(node)) {
    const name = node.operand.getText();
    return node.operator === ts.SyntaxKind.PlusPlusToken
      ? [{ operator: "swap", node, replacement: `${name}--` }]
      : [{ operator: "swap", node, replacement: `${name}++` }];
  }
  if (!ts.isPrefixUnaryExpression(node)) return [];
  const operand = node.operand.getText();
  const replacements: Partial<Record<ts.PrefixUnaryOperator, string>> = {
    [ts.SyntaxKind.MinusToken]: operand,
    [ts.SyntaxKind.ExclamationToken]: operand,
    [ts.SyntaxKind.TildeToken]: operand,
    [ts.SyntaxKind.PlusPlusToken]: `--${operand}`,
    [ts.SyntaxKind.MinusMinusToken]: `++${operand}`,
  };
  const replacement = replacements[node.operator];
  return replacement === undefined ? [] : [{ operator: "without-sign", node, replacement }];
}

function constant(node: ts.Node): Change[] {
  if (ts.isNumericLiteral(node)) {
    const value = Number(node.text);
    const less = value - 1;
    return [
      { operator: "plus-one", node, replacement: `${value + 1}` },
      { operator: "minus-one", node, replacement: less < 0 ? `(${less})` : `${less}` },
    ];
  }
  if (ts.isBigIntLiteral(node)) {
    const value = BigInt(node.text.replaceAll("_", "").slice(0, -1));
    return [{ operator: "plus-one", node, replacement: `${value + 1n}n` }];
  }
  const flips: Partial<Record<ts.SyntaxKind, string>> = {
    [ts.SyntaxKind.TrueKeyword]: "false",
    [ts.SyntaxKind.FalseKeyword]: "true",
  };
  const replacement = flips[node.kind];
  return replacement === undefined ? [] : [{ operator: "flip", node, replacement }];
}

function counterpart(node: ts.Node): Change[] {
  if (!ts.isCallExpression(node)) return [];
  const { expression } = node;
  const name = ts.isPropertyAccessExpression(expression) ? expression.name : expression;
  const replacement = ts.isIdentifier(name) ? counterparts.get(name.text) : undefined;
  return replacement === undefined ? [] : [{ operator: "counterpart", node: name, replacement }];
}

/** The condition of a statement or of a conditional expression. */
function conditionOf(node: ts.Node): ts.Expression | undefined {
  if (ts.isConditionalExpression(node) || ts.isForStatement(node)) return node.condition;
  return ts.isIfStatement(node) || ts.isWhileStatement(node) || ts.isDoStatement(node)
    ? node.expression
    : undefined;
}

/** Whether another operator negates an expression: `!x`, `x === y`. */
function isNegatedElsewhere(condition: ts.Expression): boolean {
  return ts.isPrefixUnaryExpression(condition) ||
    ts.isBinaryExpression(condition) && /^[!=]==$/.test(condition.operatorToken.getText());
}

function negated(node: ts.Node): Change[] {
  const condition = conditionOf(node);
  return condition === undefined || isNegatedElsewhere(condition)
    ? []
    : [{ operator: "negate", node: condition, replacement: `!(${condition.getText()})` }];
}

function branch(node: ts.Node): Change[] {
  if (ts.isConditionalExpression(node)) {
    return [
      { operator: "only-then", node, replacement: `(${node.whenTrue.getText()})` },
      { operator: "only-else", node, replacement: `(${node.whenFalse.getText()})` },
    ];
  }
  if (!ts.isIfStatement(node)) return [];
  const { thenStatement, elseStatement } = node;
  return elseStatement === undefined ? [{ operator: "without-if", node, replacement: "{}" }] : [
    { operator: "only-then", node, replacement: thenStatement.getText() },
    { operator: "only-else", node, replacement: elseStatement.getText() },
  ];
}

/** Whether a statement is the whole branch of an `if`, which `without-if` removes. */
function isWholeBranch({ parent }: ts.Node): boolean {
  const isAlone = ts.isBlock(parent) && parent.statements.length === 1;
  const around = isAlone ? parent.parent : parent;
  return ts.isIfStatement(around) && around.elseStatement === undefined;
}

/** Whether a statement returns undefined where its function ends and so does the same without it. */
function isEndAnyway(node: ts.Node): boolean {
  if (!ts.isReturnStatement(node) || !ts.isBlock(node.parent)) return false;
  const isNothing = node.expression === undefined ||
    ts.isIdentifier(node.expression) && node.expression.text === "undefined";
  return isNothing && ts.isFunctionLike(node.parent.parent) &&
    node.parent.statements.at(-1) === node;
}

function statement(node: ts.Node): Change[] {
  const isTaken = ts.isExpressionStatement(node) || ts.isIterationStatement(node, false) ||
    ts.isContinueStatement(node) || ts.isBreakStatement(node) || ts.isReturnStatement(node);
  return isTaken && !isWholeBranch(node) && !isEndAnyway(node)
    ? [{ operator: "without-statement", node, replacement: "{}" }]
    : [];
}

const operators = [binary, unary, constant, counterpart, negated, branch, statement];

/** Code that only people or the type checker read: the texts of errors, types, and imports. */
function isLeftAlone(node: ts.Node): boolean {
  return ts.isThrowStatement(node) || ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) || ts.isImportDeclaration(node) || ts.isExportDeclaration(node);
}

/**
 * All changes of a source text, by their places.
 *
 * @param source The syntax tree, with parents.
 * @returns The changes; not all of them leave a text that type-checks.
 */
export function mutationsOf(source: ts.SourceFile): Mutation[] {
  const mutations: Mutation[] = [];
  const visit = (node: ts.Node) => {
    if (isLeftAlone(node)) return;
    for (const operator of operators) {
      for (const { operator: name, node: changed, replacement } of operator(node)) {
        const [start, end] = [changed.getStart(source), changed.getEnd()];
        mutations.push({ operator: name, start, end, replacement });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return mutations.toSorted((a, b) => a.start - b.start || a.end - b.end);
}
