/** Numbers as plots show them. */
import { assertEquals } from "@std/assert";
import { CHARACTER, readValue, tickLabel, widthOf } from "../../../cli/report/plot_text.ts";

Deno.test("a tick has the shortest label of its value, with an exponent where it is long", () => {
  const labels: readonly (readonly [value: number, label: string])[] = [
    ...[[0, "0"], [-0, "0"], [1, "1"], [-1, "−1"], [0.001, "0.001"], [0.00099, "9.9e−4"]] as const,
    ...[[-0.0005, "−5e−4"], [999_999, "999,999"], [999_999.5, "999,999.5"]] as const,
    ...[[1e6, "1e6"], [1_000_000.5, "1.0000005e6"], [-2.5e7, "−2.5e7"], [1500, "1,500"]] as const,
    // Further digits than twelve are rounding errors.
    ...[[0.1 + 0.2, "0.3"], [0.123456789012, "0.123456789012"]] as const,
    ...[[0.1234567890123, "0.123456789012"], [123456.789012, "123,456.789012"]] as const,
  ];
  for (const [value, label] of labels) assertEquals(tickLabel(value), label);
});

Deno.test("a value that is read off has four digits", () => {
  assertEquals([0.123456, 1234.56, 0.00012346, 12345678, 0].map(readValue), [
    ...["0.1235", "1,235", "1.235e−4", "1.235e7", "0"],
  ]);
});

Deno.test("a text is as wide as its characters", () => {
  assertEquals([widthOf(""), widthOf("ab")], [0, 2 * CHARACTER]);
});
