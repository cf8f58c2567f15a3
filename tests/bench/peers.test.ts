import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { generationLines } from "../../bench/peers/generation.ts";
import { type Missing, type Peer, type PeerCommand, startPeer } from "../../bench/peers/peer.ts";
import { measureTurns, pairedRatio, together, type TurnReport } from "../../bench/peers/turns.ts";

/** A peer whose process is a few lines of TypeScript. */
async function withPeer(
  source: string,
  test: (peer: Peer | Missing) => Promise<void>,
): Promise<void> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, source);
    const command: PeerCommand = {
      name: "fake",
      program: Deno.execPath(),
      args: ["run", "--no-prompt", "--no-config", file],
    };
    const peer = await startPeer(command);
    try {
      await test(peer);
    } finally {
      if ("run" in peer) await peer[Symbol.asyncDispose]();
    }
  } finally {
    await Deno.remove(file);
  }
}

const READY = `console.log(JSON.stringify({ version: "fake 1", parameters: 7 }));`;

Deno.test("peer: takes steps when it is told to, and ends", async () => {
  const source = `${READY}
    let done = 0;
    for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
      done += Number(text);
      console.log(done);
    }`;
  await withPeer(source, async (peer) => {
    assert("run" in peer, JSON.stringify(peer));
    assertEquals([peer.name, peer.version, peer.parameters], ["fake", "fake 1", 7]);
    assertEquals(await peer.run(3), 3);
    assertEquals(await peer.run(4), 7);
  });
});

Deno.test("peer: says why it is missing", async () => {
  const source = `console.log(JSON.stringify({ missing: "fake is not installed" }));`;
  await withPeer(source, async (peer) => {
    assertEquals(peer, { name: "fake", missing: "fake is not installed" });
    await Promise.resolve();
  });
});

Deno.test("peer: one that fails before it is ready is missing, with its last words", async () => {
  const source = `console.error("out of luck"); Deno.exit(3);`;
  await withPeer(source, async (peer) => {
    assertEquals(peer, { name: "fake", missing: "fake ended with code 3: out of luck" });
    await Promise.resolve();
  });
});

Deno.test("peer: one that fails later is an error", async () => {
  const source = `${READY}
    for await (const _ of Deno.stdin.readable) {
      console.error("out of memory");
      Deno.exit(4);
    }`;
  await withPeer(source, async (peer) => {
    assert("run" in peer, JSON.stringify(peer));
    await assertRejects(() => peer.run(1), Error, "fake ended with code 4: out of memory");
  });
});

Deno.test("turns: as many steps as fit, at least one, and times of one step", async () => {
  let time = 0;
  const turns: string[] = [];
  const training = (name: string, milliseconds: number) => ({
    name,
    run(steps: number) {
      time += steps * milliseconds;
      turns.push(`${name}${steps}`);
      return Promise.resolve();
    },
  });
  const measuring = { warmUp: { runs: 1, milliseconds: 0 }, rounds: 2, now: () => time };
  const measured = await measureTurns([training("a", 4), training("b", 90)], measuring, 20);
  const all = (median: number) => ({ median, low: median, high: median });
  assertEquals(measured, [
    { name: "a", stepsPerTurn: 5, rounds: [4, 4], milliseconds: all(4) },
    { name: "b", stepsPerTurn: 1, rounds: [90, 90], milliseconds: all(90) },
  ]);
  // Warmed up and timed once each; then in turns, forward and backward.
  assertEquals(turns.join(" "), "a1 a1 b1 b1 a5 b1 b1 a5");
});

const turnsOf = (name: string, rounds: readonly number[]): TurnReport => ({
  name,
  rounds,
  stepsPerTurn: 1,
  milliseconds: { median: NaN, low: NaN, high: NaN },
});

Deno.test("paired ratio: a machine that slows down between rounds does not widen it", () => {
  const speeds = [[1, 7], [2, 30], [0.1, 3]];
  const of = (name: string, time: number) =>
    speeds.map((rounds) => turnsOf(name, rounds.map((speed) => time * speed)));
  const { mean, low, high, count } = pairedRatio(of("a", 3), of("b", 2));
  // A mean of equal logarithms is off by a few units in the last place.
  assertAlmostEquals(mean, 1.5, 1e-12);
  assertAlmostEquals(high - low, 0, 1e-12);
  assertEquals(count, 3);
});

Deno.test("paired ratio: the interval is Student's, of the logarithms of sittings", () => {
  const one = [turnsOf("a", [0.5, 2]), turnsOf("a", [8, 2])];
  const other = [turnsOf("b", [1, 1]), turnsOf("b", [1, 1])];
  const { mean, low, high } = pairedRatio(one, other);
  assertAlmostEquals(mean, 2, 1e-12);
  // Logarithms 0 and 2 ln 2: their standard error is ln 2. With one degree of freedom, Student's t is
  // Cauchy's distribution, whose 97.5 % quantile is tan(0.475 pi).
  const quantile = Math.tan(0.475 * Math.PI);
  assertAlmostEquals(high, 2 * 2 ** quantile, 1e-8);
  assertAlmostEquals(low, 2 / 2 ** quantile, 1e-12);
});

Deno.test("paired ratio: rounds and sittings that are not pairs are refused", () => {
  const one = turnsOf("a", [1]);
  assertThrows(
    () => pairedRatio([one, one], [turnsOf("b", [1]), turnsOf("b", [1, 1])]),
    RangeError,
    "expected as many rounds of a as of b, got 1 and 2",
  );
  assertThrows(() => pairedRatio([one], []), RangeError, "got 1 and undefined");
});

Deno.test("sittings together: medians and quartiles of all rounds", () => {
  const { name, rounds, milliseconds } = together([turnsOf("a", [1, 2]), turnsOf("a", [9])]);
  assertEquals([name, rounds], ["a", [1, 2, 9]]);
  assertEquals(milliseconds.median, 2);
});

Deno.test("generation: a line for each library, with its ratio to ours, and those that are missing", () => {
  const spread = { median: 500, low: 450, high: 550 };
  const lines = generationLines({
    ...{ batch: 16, prompt: 32, tokens: 8 },
    turns: [{
      ...{
        name: "transformers f32",
        version: "transformers 5",
        rounds: [500],
        milliseconds: spread,
      },
      ...{ tokensPerSecond: 256, paired: { mean: 0.5, low: 0.25, high: 1, count: 2 } },
    }],
    missing: [{ name: "other", missing: "it is not there" }],
  });
  assertStringIncludes(lines[0] ?? "", "16 x 32 + 8 tokens");
  assertStringIncludes(lines[0] ?? "", "ours f32 / its");
  for (
    const part of ["transformers f32", " 500 ", " 256 ", "0.50 [0.25, 1.00]", "transformers 5"]
  ) {
    assertStringIncludes(lines.join("\n"), part);
  }
  assertEquals(lines.at(-1), "other: not measured: it is not there");
});
