/** The final numbers of answers, as models and data write them. */
import { assert, assertEquals } from "@std/assert";
import {
  accuracy,
  type Answered,
  finalAnswer,
  GOLD,
  isSameNumber,
  readNumber,
} from "@unitune/training";
import fc from "fast-check";

/** A number as numerator, denominator and scale; undefined if a text is none. */
function read(text: string): string | undefined {
  const found = readNumber(text);
  if (found === undefined) return undefined;
  const { value, scale } = found;
  const of = ({ numerator, denominator }: typeof value) => `${numerator}/${denominator}`;
  return of(scale) === "1/1" ? of(value) : `${of(value)} x ${of(scale)}`;
}

const written: Readonly<Record<string, string>> = {
  // Digits, separators, decimals, signs.
  "72": "72/1",
  "007": "7/1",
  "1,234.50": "123450/100",
  "109,200,000": "109200000/1",
  "10{,}000": "10000/1",
  "10\\,000": "10000/1",
  "1 000 000": "1000000/1",
  "1\u00a0000": "1000/1",
  ".5": "5/10",
  "5.": "5/1",
  "-3": "-3/1",
  "\u22123": "-3/1",
  "- 3": "-3/1",
  "+4": "4/1",
  // Fractions.
  "3/4": "3/4",
  "0.5 / 2": "5/20",
  "-3/4": "-3/4",
  "\\frac{3}{4}": "3/4",
  "\\dfrac34": "3/4",
  "\\tfrac{1,000}{3}": "1000/3",
  "1 1/2": "3/2",
  "-1 1/2": "-3/2",
  "2\\frac{1}{3}": "7/3",
  "1 000/4": "1000/4",
  // Currencies, percent, words for powers of ten.
  "$5": "5/1",
  "\\$5.50": "550/100",
  "-$3": "-3/1",
  "$-3": "-3/1",
  "€ 1,000": "1000/1",
  "5 €": "5/1",
  "20%": "20/1 x 1/100",
  "20\\%": "20/1 x 1/100",
  "20 percent": "20/1 x 1/100",
  "20 per cent of them": "20/1 x 1/100",
  "5 hundred": "5/1 x 100/1",
  "5 thousand": "5/1 x 1000/1",
  "1.5 million dollars": "15/10 x 1000000/1",
  "2 Billion": "2/1 x 1000000000/1",
  "2 trillion": "2/1 x 1000000000000/1",
  "5 millions": "5/1",
  // Units and words.
  "5 apples": "5/1",
  "72 km/h": "72/1",
  "5\\text{ cm}^2": "5/1",
  "5 \\mathrm{m}^{3}": "5/1",
  "5 m\u00b2": "5/1",
  "90^\\circ": "90/1",
  "90^{\\circ}": "90/1",
  "90\\degree": "90/1",
  "5-year": "5/1",
  "12 dollars.": "12/1",
  // What stands around.
  "x = 5": "5/1",
  "**72**": "72/1",
  "$72$": "72/1",
  "\\(72\\)": "72/1",
  "{72}": "72/1",
  "\\text{72}": "72/1",
};

Deno.test("numbers are read as people, models and LaTeX write them", () => {
  assertEquals(Object.fromEntries(Object.keys(written).map((text) => [text, read(text)])), written);
});

Deno.test("what holds no number, or another one beside it, is no number", () => {
  const others = ["", "apples", "5 or 6", "50-60", "3:30", "1,2", "12,34", "1/0", "1/0.0", "--4"];
  const powers = [
    "1e5",
    "2 \\times 10^3",
    "2^3",
    "2\u00b2",
    "x_1 = 5",
    "5 + 3",
    "=5",
    "-",
    "$",
    ".",
  ];
  const long = [`${"9".repeat(120)}0`, `5 ${"a".repeat(119)}`];
  for (const text of [...others, ...powers, ...long]) assertEquals(read(text), undefined, text);
  assertEquals(read("9".repeat(120)), `${"9".repeat(120)}/1`);
});

Deno.test("numbers are compared exactly, and a scale that only one has may be understood", () => {
  const same = (a: string, b: string) => {
    const [one, other] = [readNumber(a), readNumber(b)];
    assert(one !== undefined && other !== undefined);
    assertEquals(isSameNumber(other, one), isSameNumber(one, other));
    return isSameNumber(one, other);
  };
  assert(same("3/4", "0.75"));
  assert(same("-6/8", "-0.750"));
  assert(same("1,000", "1000.00"));
  assert(!same("3/4", "0.7500000000000001"));
  assert(!same("1/3", "0.3333333333333333"));
  assert(!same("9007199254740993", "9007199254740992"));
  assert(!same("5", "-5"));
  // How many percent, and what part.
  assert(same("20%", "20"));
  assert(same("20%", "0.2"));
  assert(!same("20%", "0.2%"));
  assert(same("3 million", "3,000,000"));
  assert(same("3 million", "3"));
  assert(same("3 million", "3000 thousand"));
  assert(!same("3 million", "3 thousand"));
});

Deno.test("decimals of any length are read to their last digit", () => {
  const digits = fc.string({ unit: fc.constantFrom(..."0123456789"), minLength: 1, maxLength: 30 });
  fc.assert(fc.property(digits, digits, fc.boolean(), (whole, decimals, isNegative) => {
    const found = readNumber(`${isNegative ? "-" : ""}${whole}.${decimals}`);
    const size = BigInt(whole + decimals);
    assertEquals(found?.value, {
      numerator: isNegative ? -size : size,
      denominator: 10n ** BigInt(decimals.length),
    });
  }));
});

Deno.test("the final answer is in the last box or behind the last mark", () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ["72", "72"],
    ["", ""],
    ["a\n#### 72", " 72"],
    ["#### 71\n#### 72\nso", " 72"],
    ["####72", "72"],
    ["\\boxed{1} or \\boxed{2}.", "2"],
    ["\\boxed{\\frac{1}{2{3}}} }", "\\frac{1}{2{3}}"],
    ["\\boxed{1} #### 2", " 2"],
    ["#### 2 \\boxed{1}", "1"],
    ["#### \\boxed{5}", "5"],
    ["\\boxed{}", ""],
    ["\\boxed{\\frac{1}{2}", undefined],
    ["\\boxed{1} \\boxed{2", undefined],
  ];
  for (const [text, final] of cases) assertEquals(finalAnswer(text), final, text);
});

const answered: Answered = { prompt: "", answer: "", ids: [], isEnded: true, columns: {} };

Deno.test("accuracy: complete answers with the gold answer's number, and nothing else", async () => {
  const score = async (answer: string, gold: unknown, isEnded = true) =>
    (await accuracy.score([{ ...answered, answer, isEnded, columns: { [GOLD]: gold } }]))[0];
  const gold = "24 + 48 = <<24+48=72>>72\n#### 72";
  assertEquals(await score("#### 72", gold), 1);
  assertEquals(await score("\\boxed{72.0}", gold), 1);
  assertEquals(await score("72 clips", gold), 1);
  assertEquals(await score("#### 27", gold), 0);
  assertEquals(await score("It is 72 clips", gold), 0);
  assertEquals(await score("", gold), 0);
  assertEquals(await score("\\boxed{72", gold), 0);
  // More digits may have followed.
  assertEquals(await score("#### 72", gold, false), 0);
  for (const without of [undefined, null, 72, "no number", "#### none", "\\boxed{1"]) {
    assertEquals(await score("#### 72", without), null);
    assertEquals(accuracy.isScorable?.({ prompt: "", columns: { [GOLD]: without } }), false);
  }
  assertEquals(accuracy.isScorable?.({ prompt: "", columns: { [GOLD]: gold } }), true);
  assertEquals(accuracy.reads, [GOLD]);
});

// Ends of answers in GSM8K's training set (openai/grade-school-math, MIT license): each way in which
// a number is written there.
const ends: readonly (readonly [string, string])[] = [
  ["Natalia sold 48+24 = <<48+24=72>>72 clips altogether in April and May.\n#### 72", "72/1"],
  ["Working 50 minutes, she earned 0.2 x 50 = $<<0.2*50=10>>10.\n#### 10", "10/1"],
  ["#### 5", "5/1"],
  ["#### 1,450", "1450/1"],
  ["#### 2,520,000", "2520000/1"],
  ["#### 109,200,000", "109200000/1"],
  ["#### 192000000", "192000000/1"],
];

Deno.test("GSM8K: the final numbers of gold answers", () => {
  for (const [end, number] of ends) assertEquals(read((finalAnswer(end) ?? "").trim()), number);
});
