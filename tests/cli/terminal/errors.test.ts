import { assert, assertEquals, assertStrictEquals, assertStringIncludes } from "@std/assert";
import { OutOfMemoryError, SafetensorsError } from "@unitune/core";
import { CheckpointError } from "@unitune/models";
import { failureOf, fileError, UsageError } from "@unitune/cli";
import { isOutOfMemory, userErrorOf } from "../../../cli/terminal/errors.ts";
import { UserError } from "@unitune/training";

Deno.test("a user's error is its message, without a stack", () => {
  assertEquals(failureOf(new UserError("data.txt is empty", { cause: new Error("hidden") })), {
    message: "error: data.txt is empty",
    exitCode: 1,
  });
});

Deno.test("a wrong command line points to the help and exits with 2", () => {
  assertEquals(failureOf(new UsageError("unknown flag --stesp")), {
    message: "error: unknown flag --stesp\nSee --help.",
    exitCode: 2,
  });
});

Deno.test("a defect keeps its stack and its causes' and exits with 70", () => {
  const error = new Error("outer", { cause: new TypeError("inner") });
  const { message, exitCode } = failureOf(error);
  assertEquals(exitCode, 70);
  assertStringIncludes(message, "errors.test.ts");
  assertStringIncludes(message, "caused by TypeError: inner");
  assertEquals(failureOf("thrown text").exitCode, 70);
  const said = (length: number) => failureOf("x".repeat(length)).message;
  assertEquals(said(20_000), `unexpected error (a defect of the program): ${"x".repeat(20_000)}`);
  assertStringIncludes(said(20_001), "(1 characters left out)");
});

const endings: [string, number, string][] = [
  ["", 0, ""],
  [`throw new UserError("data.txt is empty")`, 1, "error: data.txt is empty\n"],
  [`throw new UsageError("unknown flag")`, 2, "error: unknown flag\nSee --help.\n"],
  [`await Promise.reject(new TypeError("x"))`, 70, "unexpected error (a defect of the program): "],
];

for (const [body, code, message] of endings) {
  Deno.test(`a command that does ${body || "nothing"} exits with ${code}`, async () => {
    const program = `import { runCommand, UsageError } from "@unitune/cli";
      import { UserError } from "@unitune/training";
      await runCommand(async () => { ${body} });`;
    const command = new Deno.Command(Deno.execPath(), { args: ["eval", program] });
    const output = await command.output();
    assertEquals(output.code, code);
    const shown = new TextDecoder().decode(output.stderr);
    if (code === 70) assertStringIncludes(shown, message);
    else assertEquals(shown, message);
  });
}

Deno.test("a file system's error says what was tried, where and why", () => {
  const coded = (code: string) => Object.assign(new Error("os error"), { code });
  const rows: [Error, string][] = [
    [coded("ENOSPC"), "can't write run/a: the disk is full: free some space"],
    [coded("EACCES"), "can't write run/a: the permission is missing"],
    [coded("EROFS"), "can't write run/a: the file system is read-only"],
    [new Deno.errors.NotCapable("no"), "can't write run/a: Deno was not given the permission"],
    [new Deno.errors.IsADirectory("no"), "can't write run/a: it is a folder"],
    [new Error("File too large (os error 27)"), "can't write run/a: File too large"],
  ];
  for (const [cause, message] of rows) {
    const error = fileError(cause, "write", "run/a");
    assert(error instanceof UserError);
    assertStringIncludes(error.message, message);
    assertStrictEquals(error.cause, cause);
  }
  const unknown = fileError(new Error("File too large (os error 27)"), "write", "run/a");
  assertEquals(String(unknown).endsWith("can't write run/a: File too large"), true);
});

Deno.test("an error that is not the file system's stays itself", () => {
  for (const error of [new TypeError("x"), new UserError("y"), "z", undefined]) {
    assertStrictEquals(fileError(error, "read", "a"), error);
  }
});

Deno.test("what input and memory refuse is the user's, whatever else is thrown is a defect", () => {
  const own = new UserError("own");
  assertStrictEquals(userErrorOf(own), own);
  for (const cause of [new SafetensorsError("cut"), new CheckpointError("torn")]) {
    const told = userErrorOf(cause);
    assertEquals([told?.message, told?.cause], [cause.message, cause]);
  }
  const full = [
    "Array buffer allocation failed",
    "Invalid string length",
    "Invalid array length",
    "Invalid typed array length: 5000000000",
    "Map maximum size exceeded",
    "WebAssembly.Memory.grow(): Unable to grow instance memory",
  ].map((message) => new RangeError(message));
  for (const cause of full) {
    assertEquals(isOutOfMemory(cause), true, cause.message);
    assertEquals(
      userErrorOf(cause)?.message,
      `there is not enough memory for this (${cause.message}): make the model, the batch or the data ` +
        "smaller",
    );
  }
  assertEquals(isOutOfMemory(new OutOfMemoryError("of a device")), true);
  assertEquals(userErrorOf(new OutOfMemoryError("of a device"))?.message, "of a device");
  for (
    const defect of [
      ...[new RangeError("x"), new TypeError("Invalid string length"), "Invalid string length"],
      ...[new RangeError("Invalid array length of x"), undefined, {
        message: "Invalid array length",
      }],
    ]
  ) assertEquals([userErrorOf(defect), isOutOfMemory(defect)], [undefined, false]);
});
