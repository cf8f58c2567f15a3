import { assertEquals, assertThrows } from "@std/assert";
import { type Dims, dims, ShapeError, zeros } from "@unitune/core";
import fc from "fast-check";

/** Two types that are one: neither has a key or value that the other lacks. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;

Deno.test("the type of dims has the names of the pattern, and no others", () => {
  const named: Same<Dims<"B T D">, {
    readonly B: number;
    readonly T: number;
    readonly D: number;
  }> = true;
  const withSizes: Same<Dims<"B T 3 H D">, Dims<"B T H D">> = true;
  const withGap: Same<Dims<"... V">, { readonly V: number }> = true;
  const repeated: Same<Dims<"N N">, { readonly N: number }> = true;
  const scalar: Same<keyof Dims<"">, never> = true;
  const known: Same<keyof Dims<`${number} ${number}`>, never> = true;
  assertEquals([named, withSizes, withGap, repeated, scalar, known], Array(6).fill(true));
  // @ts-expect-error: the pattern has no axis H.
  assertEquals(dims([2, 3], "B T").H, undefined);
});

Deno.test("dims gives sizes by name, of tensors and of shapes", () => {
  assertEquals(dims(zeros([2, 0, 4]), "B T D"), { B: 2, T: 0, D: 4 });
  assertEquals(dims([2, 5, 3, 4, 8], "B T 3 H D"), { B: 2, T: 5, H: 4, D: 8 });
  assertEquals(dims([7, 7], "N N"), { N: 7 });
  assertEquals(dims(zeros([]), ""), {});
  // A name that every object has.
  assertEquals(dims([4], "constructor"), Object.fromEntries([["constructor", 4]]));
});

Deno.test("... stands for any number of axes, wherever it is", () => {
  const shape = fc.array(fc.nat(9), { maxLength: 4 });
  fc.assert(fc.property(shape, fc.nat(9), fc.nat(9), (gap, A, Z) => {
    assertEquals(dims([A, ...gap, Z], "A ... Z"), { A, Z });
    assertEquals(dims([...gap, A, Z], "... A Z"), { A, Z });
    assertEquals(dims([A, Z, ...gap], "A Z ..."), { A, Z });
    assertEquals(dims(gap, "..."), {});
  }));
});

Deno.test("dims refuses other shapes by the operation, the shape and the pattern", () => {
  const cases: readonly (readonly [number[], string])[] = [
    [[2], "B T"],
    [[2, 3, 4], "B T"],
    [[], "N"],
    [[1], ""],
    [[2, 3, 2, 4, 8], "B T 3 H D"],
    [[2, 3], "N N"],
    [[2, 3, 4], "N ... N"],
    // One axis is not both the first and the last.
    [[2], "A ... Z"],
    [[2, 3], "... 4"],
  ];
  for (const [shape, pattern] of cases) {
    const expected = `[${pattern.split(" ").join(", ")}]`;
    assertThrows(
      () => dims(shape, pattern, "loss: mask"),
      ShapeError,
      `loss: mask: got shape [${shape.join(", ")}]; expected ${expected}`,
    );
  }
  assertThrows(() => dims([2], "B T"), ShapeError, "dims: got shape [2]; expected [B, T]");
});

Deno.test("dims refuses what is no pattern", () => {
  for (const pattern of ["B,T", "B  T", " B", "B ", "-1", "1.5", "B T+1", "... B ...", "3D"]) {
    assertThrows(() => dims([2, 3], pattern), ShapeError, `"${pattern}" is no pattern`);
  }
});
