/**
 * The mutants that are equal to the code, and the constants of which all mutants are. A test checks
 * that each entry still matches some change: an entry whose code is gone has to go too.
 */
// Not public: the coefficients of polynomials.
import { LOG2_UNITS } from "../../core/lowering/elementary/polynomials.ts";
import type { EqualChange, Tuning } from "./explained.ts";

/** The mutants that no test can tell from the code. */
export const equal: readonly EqualChange[] = [
  {
    file: "training/data/fit.ts",
    inside: "conversationFit",
    before: "return ({ messages, learnedFrom = 0, rendering, source }) =>",
    after: "return ({ messages, learnedFrom = (-1), rendering, source }) =>",
    because: "no message stands before the first",
  },
  {
    file: "cli/files/write.ts",
    inside: "writeAll",
    before: "for (let begin = 0; begin < piece.length; begin += PIECE) {",
    after: "for (let begin = 0; begin <= piece.length; begin += PIECE) {",
    because: "no bytes are written once more where a piece ends, or where it is empty",
  },
  {
    file: "cli/data/inspection.ts",
    inside: "contentOf",
    before: "return digestOf(JSON.stringify(row)).slice(0, 24);",
    after: "return digestOf(JSON.stringify(row)).slice(0, 25);",
    because: "of 96 bits or 100, each tells the same rows apart",
  },
  ...["1", "(-1)"].map((milliseconds) => ({
    file: "cli/run/pace.ts",
    inside: "fastest",
    before: "await new Promise((resolve) => setTimeout(resolve, 0));",
    after: `await new Promise((resolve) => setTimeout(resolve, ${milliseconds}));`,
    because: "others have their turn before a run begins, however long that waits",
  })),
  {
    file: "cli/study/exposure/distances.ts",
    inside: "totalVariation.visit",
    before: "excess.set(state, (excess.get(state) ?? 0) + sign / states.length);",
    after: "excess.set(state, (excess.get(state) ?? 0) - sign / states.length);",
    because: "differences are added up without their signs",
  },
  {
    file: "cli/study/exposure/distances.ts",
    inside: "classifierDistance.accuracy.isRight",
    before:
      'const isRight = (features: Features) => scoreOf(weights, features) > 0 === (kind === "reached");',
    after:
      'const isRight = (features: Features) => scoreOf(weights, features) >= 0 === (kind === "reached");',
    because: "scores are 0 where nothing was learned, and one kind is then right, whichever it is",
  },
  ...["1", "(-1)"].flatMap((other) =>
    ([
      [
        "trainClassifier.score",
        "const score = at.reduce((total, place) => total + (weights[place] ?? 0), 0);",
      ],
      [
        "trainClassifier",
        "for (const place of at) change[place] = (change[place] ?? 0) + share * error;",
      ],
      ["trainClassifier", "weights[place] = (weights[place] ?? 0) + RATE * own;"],
      [
        "trainClassifier",
        "return new Map([...places].map(([feature, place]) => [feature, weights[place] ?? 0]));",
      ],
    ] as const).map(([inside, before]) => ({
      file: "cli/study/exposure/distances.ts",
      inside,
      before,
      after: before.replace("?? 0", `?? ${other}`),
      because: "the type checker does not know that the array has the element",
    }))
  ),
  {
    file: "cli/study/statistics.ts",
    inside: "FAR",
    before: "const FAR = 10;",
    after: "const FAR = 11;",
    because: "beyond ten deviations there is nothing that the ends of an interval show",
  },
  ...["x >= 0", "x > 1", "x > (-1)"].map((after) => ({
    file: "cli/study/statistics.ts",
    inside: "normalProbability",
    before: "if (Math.abs(x) > FAR) return x > 0 ? 1 : 0;",
    after: `if (Math.abs(x) > FAR) return ${after} ? 1 : 0;`,
    because: "x is beyond ten deviations, on one side or the other",
  })),
  ...([
    [".i", "let i = 1; i <= INTERVALS"],
    [".i", "let i = (-1); i <= INTERVALS"],
    ["", "let i = 0; i < INTERVALS"],
  ] as const).map(([place, range]) => ({
    file: "cli/study/statistics.ts",
    inside: `noncentralProbability${place}`,
    before: "for (let i = 0; i <= INTERVALS; i++) {",
    after: `for (${range}; i++) {`,
    because: "the density that is integrated is 0 at both ends, and beyond",
  })),
  ...["i === (-1) || i === INTERVALS ? 1", "i === 0 && i === INTERVALS ? 1"].concat(
    ["2", "0"].map((end) => `i === 0 || i === INTERVALS ? ${end}`),
  ).map((ends) => ({
    file: "cli/study/statistics.ts",
    inside: "noncentralProbability.weight",
    before: "const weight = (i === 0 || i === INTERVALS ? 1 : i % 2 === 0 ? 2 : 4) *",
    after: `const weight = (${ends} : i % 2 === 0 ? 2 : 4) *`,
    because: "the density that is integrated is 0 at both ends",
  })),
  ...["{}", "if (first !== undefined && parts.length === 0) return first;"].map((after) => ({
    file: "cli/files/concatenated.ts",
    inside: "concatenated",
    before: "if (first !== undefined && parts.length === 1) return first;",
    after,
    because: "a copy of the only part has the same bytes",
  })),
  ...[
    "at(last - 1) - at(first) <= PIECE",
    "at(last + 2) - at(first) <= PIECE",
    "at(last + 0) - at(first) <= PIECE",
    "at(last + 1) + at(first) <= PIECE",
    "at(last + 1) - at(first) < PIECE",
  ].map((size) => ({
    file: "cli/data/tables/record_file.ts",
    inside: "openRecordFile.scan",
    before: "while (last < end && at(last + 1) - at(first) <= PIECE) last += 1;",
    after: `while (last < end && ${size}) last += 1;`,
    because: "rows that are read in pieces of any size are the same",
  })),
  ...["1", "(-1)"].map((first) => ({
    file: "cli/study/results.ts",
    inside: "validationScore.total",
    before:
      "const total = results.reduce((sum, { measures }) => sum + (measures[name] ?? worst), 0);",
    after:
      `const total = results.reduce((sum, { measures }) => sum + (measures[name] ?? worst), ${first});`,
    because: "scores are compared with each other, and each has the same number more",
  })),
  ...([
    [
      "cli/study/verdict.ts",
      "standingOf",
      'if (Number.isNaN(low + high)) return "single";',
      "the ends of an interval are finite, or none of them is a number",
    ],
    [
      "cli/report/hover.ts",
      "linesAt.band",
      'const band = Number.isNaN(low + high) ? "" : ` [${readValue(low)}, ${readValue(high)}]`;',
      "the ends of a band are finite, or none of them is a number",
    ],
    [
      "cli/report/hover.ts",
      "placesOf.places",
      "points.flatMap(({ x, y }) => Number.isNaN(x + y) ? [] : [x])",
      "places on an axis are finite, or no numbers",
    ],
  ] as const).map(([file, inside, before, because]) => ({
    ...{ file, inside, before, because },
    after: before.replace(" + ", " - "),
  })),
  ...["1", "(-1)"].map((count) => ({
    file: "cli/study/mechanism.ts",
    inside: "taskTable.rows.count",
    before: "showDifference({ mean: difference, low: NaN, high: NaN, count: 0 })",
    after: `showDifference({ mean: difference, low: NaN, high: NaN, count: ${count} })`,
    because: "a difference is shown without the count of its seeds",
  })),
  ...["1", "(-1)"].map((none) => ({
    file: "cli/study/compact.ts",
    inside: "isCompactTrial",
    before: "const { settings, commit, seconds, processorSeconds = 0 } = value;",
    after: `const { settings, commit, seconds, processorSeconds = ${none} } = value;`,
    because: "what is not there is taken for some number, and all numbers are accepted",
  })),
  ...([
    [
      "const { arms, seeds, selectionSeeds, firstSeed = 0, rates, base, shared, samples, command } =",
      "firstSeed = 0",
      "firstSeed = 1",
    ],
    ["const { helpers, probed = 0, projected = 0 } = value;", "probed = 0", "probed = 1"],
    ["const { helpers, probed = 0, projected = 0 } = value;", "projected = 0", "projected = 1"],
  ] as const).map(([before, own, changed]) => ({
    ...{ file: "cli/study/saved_study.ts", inside: "isPlan", before },
    after: before.replace(own, changed),
    because: "what is not there is taken for a count, and both counts are accepted",
  })),
  {
    file: "cli/study/statistics.ts",
    inside: "centralProbability",
    before: "for (let power = isOdd ? 1 : 0; power <= degrees - 2; power += 2) {",
    after: "for (let power = isOdd ? 1 : 0; power <= degrees - 1; power += 2) {",
    because: "powers are odd where the degrees are, so that none is one less than these",
  },
  ...([
    ["0, Math.PI / 2)", "(-1), Math.PI / 2)", "no share is in an interval from a negative angle"],
    ["0, Math.PI / 2)", "0, Math.PI / 1)", "the first half is looked at, which has the whole"],
    [") < share", ") <= share", "no number has exactly the share"],
  ] as const).map(([own, changed, because]) => {
    const before =
      "const angle = endOf((at) => centralProbability(at, degrees) < share, 0, Math.PI / 2);";
    const inside = "studentQuantile.angle";
    return {
      ...{ file: "cli/study/statistics.ts", inside, before, because },
      after: before.replace(own, changed),
    };
  }),
  {
    file: "cli/study/statistics.ts",
    inside: "estimateOf.half",
    before: "const half = count < 2",
    after: "const half = count < 1",
    because: "the variance of one value is 0 by 0, which is no number either",
  },
  {
    file: "cli/study/statistics.ts",
    inside: "holmAdjusted.least",
    before: "let least = 0;",
    after: "let least = (-1);",
    because: "no probability is below 0",
  },
  ...["1", "(-1)"].map((none) => ({
    file: "training/learner/stage_learner.ts",
    inside: "plannedSteps.planned.caches",
    before: "const caches = Math.max(evaluation.caches, feed.generationBytes ?? 0);",
    after: `const caches = Math.max(evaluation.caches, feed.generationBytes ?? ${none});`,
    because: "evaluations that answer keep more than a byte, and plans are told in larger units",
  })),
  {
    file: "core/backends/webgpu/reduce.ts",
    inside: "LARGEST_SUBGROUP",
    before: "const LARGEST_SUBGROUP = 128;",
    after: "const LARGEST_SUBGROUP = 127;",
    because: "the distances that are compared with it are powers of 2",
  },
  {
    file: "core/backends/wasm/attention_scores.ts",
    inside: "sumOfFours.next",
    before: "const next = plus(get(pointer), int.const(16 * CHAIN));",
    after: "const next = plus(get(pointer), int.const(15 * CHAIN));",
    because: "runs that are a little shorter add up the same terms, with no larger error",
  },
  {
    file: "core/backends/webgpu/body.ts",
    inside: "accessesIn.store",
    before: "if (shader.width === 4) return storeLane(access, value, 0);",
    after: "if (shader.width === 4) return storeLane(access, value, 1);",
    because: "what is stored once by four lanes is a sum of which all of them have the whole",
  },
  {
    file: "core/backends/webgpu/math.ts",
    inside: "literal",
    before: "if (Object.is(rounded, -0) || rounded !== 0 && Math.abs(rounded) < 2 ** -126) {",
    after: "if (Object.is(rounded, -0) || rounded !== 0 && Math.abs(rounded) <= 2 ** -126) {",
    because: "the bits of the smallest normal number are that number",
  },
  {
    file: "core/backends/webgpu/features.ts",
    inside: "probeFeatures.ran",
    before: "pass.dispatchWorkgroups(1);",
    after: "pass.dispatchWorkgroups(2);",
    because: "a second workgroup writes what the first one writes",
  },
  ...["1", "(-1)"].map((timeout) => ({
    file: "core/backends/wasm/threads.ts",
    inside: "maySleep",
    before: "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);",
    after: `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, ${timeout});`,
    because: "the word is not the one to wait at, so that no time is waited",
  })),
  ...([["run", 0], ["threads", 64], ["program", 128], ["place", 132], ["length", 136], [
    "started",
    192,
  ]] as const).map(([name, offset]) => ({
    file: "core/backends/wasm/threads.ts",
    inside: `words.${name}`,
    before: `${name}: ${offset},`,
    after: `${name}: ${offset + 1},`,
    because: "the place of a word in an array is its offset by 4, of which a fraction is dropped",
  })),
  {
    file: "core/backends/wasm/threads.ts",
    inside: "startPool.view",
    before: "const view = new Int32Array(memory.buffer, control, CONTROL_BYTES / 4).fill(0);",
    after: "const view = new Int32Array(memory.buffer, control, CONTROL_BYTES / 5).fill(0);",
    because: "the words are in the first part of the block, which the view still has",
  },
  ...["+ 1", "- 0"].map((last) => ({
    file: "core/lowering/stored.ts",
    inside: "countKernels.position",
    before: "for (let position = graph.nodes.length - 1; position >= 0; position--) {",
    after: `for (let position = graph.nodes.length ${last}; position >= 0; position--) {`,
    because: "no kernel uses the nodes beyond the last, and nothing is stored of them",
  })),
  ...["+ 1", "- 0"].map((last) => ({
    file: "core/backends/webgpu/parts.ts",
    inside: "inParts.join.i",
    before: "for (let i = joined.length - 1; i >= 0; i--) {",
    after: `for (let i = joined.length ${last}; i >= 0; i--) {`,
    because: "what is beyond the end of the list is skipped",
  })),
  {
    file: "core/backends/webgpu/streamed.ts",
    inside: "streamedRange.columnOf.last",
    before: 'const last = readings.b === "row" ? columns - 4 + c : columns - 1;',
    after: 'const last = readings.b === "row" ? columns - 4 + c : columns - 0;',
    because: "what is read beyond the last column is not written",
  },
  {
    file: "core/lowering/elementary/power.ts",
    inside: "binaryPower.isFar",
    before: "const isFar = greater(abs(estimate), 200);",
    after: "const isFar = greater(abs(estimate), 199);",
    because: "2^199 is infinite and 2^-199 is 0, as any power beyond",
  },
  {
    file: "core/simplify.ts",
    inside: "withoutDead",
    before: "for (let position = graph.nodes.length - 1; position >= 0; position--) {",
    after: "for (let position = graph.nodes.length - 1; position >= 1; position--) {",
    because: "the first instruction has no inputs that it could keep alive",
  },
  ...LOG2_UNITS.flatMap((units) =>
    [units - 1, units + 1].map((changed) => ({
      file: "core/lowering/elementary/polynomials.ts",
      inside: "LOG2_UNITS",
      before: `${units},`,
      after: `${changed},`,
      because: "a unit is the rounding of the coefficient, within the bound that is stated for all",
    }))
  ),
  {
    file: "core/backends/webgpu/seen.ts",
    inside: "seenBy.span.positions",
    before: "const positions = (causal ? window : 2 * window - 1) + rows - 1;",
    after: "const positions = ((2 * window - 1)) + rows - 1;",
    because: "positions beyond those that are seen are looked at, and hidden",
  },
  {
    file: "models/architectures/gated_decoder.ts",
    inside: "initialParameters.block.self_attn.q_proj",
    before: "q_proj: toHeads(0, heads),",
    after: "q_proj: toHeads((-1), heads),",
    because: "any number that no other weight has makes a key of its own",
  },
  {
    file: "core/backends/wasm/program.ts",
    inside: "scratchBytes",
    before: "return Math.ceil(bytes.reduce((most, size) => Math.max(most, size), 0) / 64) * 64;",
    after: "return Math.ceil(bytes.reduce((most, size) => Math.max(most, size), (-1)) / 64) * 64;",
    because: "a kernel takes 0 bytes or more, and without kernels -1 byte is rounded up to 0",
  },
  {
    file: "core/backends/wasm/kernels.ts",
    inside: "emitKernel.code.shareOf",
    before: "if (units < 2 || workOf(kernel) < SHARED_WORK) return undefined;",
    after: "{}",
    because: "a loop has the same rounds, however many threads share them",
  },
  {
    file: "models/pretrained/tokenizer.ts",
    inside: "chatOf.rows",
    before: "rows: (messages, { learnedFrom = 0, most = Infinity, ...options } = {}) =>",
    after: "rows: (messages, { learnedFrom = (-1), most = Infinity, ...options } = {}) =>",
    because: "messages from -1 on are all of them, as those from 0 on",
  },
  {
    file: "core/backends/webgpu/reduce.ts",
    inside: "rounds.end",
    before:
      "const end = splits === 1 ? `${elements}u` : `min(${elements}u, (split + 1u) * ${chunk}u)`;",
    after:
      "const end = splits === 0 ? `${elements}u` : `min(${elements}u, (split + 1u) * ${chunk}u)`;",
    because: "the only share of the elements ends with them",
  },
  {
    file: "core/backends/wasm/attention_block.ts",
    inside: "setBlock",
    before: ": within(plus(get(place), int.const(1 - window)), zero, get(keys)),",
    after: ": within(plus(get(place), int.const(0 - window)), zero, get(keys)),",
    because: "a position before those that are seen is looked at, and hidden",
  },
  ...["0, 0, 0, 1", "0, 0, 1, 0", "0, 1, 0, 0"].map((lanes) => ({
    file: "core/backends/wasm/reduce.ts",
    inside: "argmax.none",
    before: "const none = i32x4.const(0, 0, 0, 0);",
    after: `const none = i32x4.const(${lanes});`,
    because: "of lanes in which no element is larger than the least, the first has index 0",
  })),
  ...["1", "(-1)"].map((least) => ({
    file: "core/lowering/nest.ts",
    inside: "affinity",
    before: "}, 0);",
    after: `}, ${least});`,
    because: "scores are compared with each other",
  })),
  {
    file: "core/backends/wasm/doubles.ts",
    inside: "remainder.isLong",
    before: "const isLong = f32x4.ge(x.get, f32x4.mul(y.get, float(2 ** STEP)));",
    after: "const isLong = f32x4.ge(x.get, f32x4.mul(y.get, float(1 ** STEP)));",
    because: "of a quotient that is not long, the steps for long ones take nothing off",
  },
  {
    file: "core/safetensors.ts",
    inside: "toRawTensor",
    before: "if (data.constructor !== allocate(own, 0).constructor) {",
    after: "if (data.constructor !== allocate(own, 1).constructor) {",
    because: "arrays of any length have the same constructor",
  },
  {
    file: "core/simplify.ts",
    inside: "mergePieces.disjoint",
    before:
      "const disjoint = pieces.every((piece, i) => piece.start >= (pieces[i - 1]?.end ?? 0));",
    after:
      "const disjoint = pieces.every((piece, i) => piece.start >= (pieces[i - 1]?.end ?? (-1)));",
    because: "a first piece starts at 0 or later",
  },
  ...["1", "(-1)"].flatMap((other) =>
    ([
      ["halvesToFloats.half", "const half = halves[i] ?? 0;"],
      ["halvesToFloats", "else floats[i] = (floats[i] ?? 0) * REBIAS;"],
      ["halvesToFloats", "words[i] = (words[i] ?? 0) | (half & 0x8000) << 16;"],
      [
        "bfloatsToFloats",
        "for (let i = 0; i < halves.length; i++) words[i] = (halves[i] ?? 0) << 16;",
      ],
      ["floatsToBfloats.word", "const word = words[i] ?? 0;"],
    ] as const).map(([inside, before]) => ({
      file: "core/half.ts",
      inside,
      before,
      after: before.replace("?? 0", `?? ${other}`),
      because: "the type checker does not know that the array has the element",
    }))
  ),
  ...([
    ["halvesToFloats", "for (let i = 0; i < halves.length; i++) {"],
    [
      "bfloatsToFloats",
      "for (let i = 0; i < halves.length; i++) words[i] = (halves[i] ?? 0) << 16;",
    ],
    ["floatsToBfloats", "for (let i = 0; i < words.length; i++) {"],
  ] as const).map(([inside, before]) => ({
    file: "core/half.ts",
    inside,
    before,
    after: before.replace("<", "<="),
    because: "a typed array ignores what is stored beyond its end",
  })),
  {
    file: "core/backends/wasm/doubles.ts",
    inside: "polynomial",
    before: "return coefficients.slice(1).reduce<Code>(",
    after: "return coefficients.slice(0).reduce<Code>(",
    because: "one more term of a series in f64 is below what its result in f32 can show",
  },
  {
    file: "core/backends/webgpu/attention_plan.ts",
    inside: "planOf.roundsOfFour",
    before: "const roundsOfFour = 3 * (1 + pieces.length);",
    after: "const roundsOfFour = 3 / (1 + pieces.length);",
    because: "it decides how many positions are looked at together, and adapters take so many",
  },
  {
    file: "core/backends/wasm/doubles.ts",
    inside: "STEPS",
    before: "const STEPS = Math.ceil((128 + 149) / STEP) - 1;",
    after: "const STEPS = Math.floor((128 + 149) / STEP) - 1;",
    because: "a divisor so small has few bits, by which a longer quotient is exact as well",
  },
  {
    file: "objectives/advantages.ts",
    inside: "tokenRewards.isLast",
    before: "const isLast = equal(mul(discountedSum(counts, 1), counts), 1);",
    after: "const isLast = equal(mul(discountedSum(counts, 2), counts), 1);",
    because: "only the last token has no other behind it, whatever those weigh",
  },
  {
    file: "models/architectures/gated_decoder.ts",
    inside: "initialParameters.block.down",
    before: "const down = matrix(foldKey(from, 6), width, hiddenWidth, residual);",
    after: "const down = matrix(foldKey(from, 7), width, hiddenWidth, residual);",
    because: "any number that no other weight has makes a key of its own",
  },
  ...["high >= 1 && low <= keys - queries;", "high >= 0 && low < keys - queries;"].map((after) => ({
    file: "core/backends/webgpu/seen.ts",
    inside: "seenBy.isFull",
    before: "high >= 0 && low <= keys - queries;",
    after,
    because: "rows that see something are then asked whether they do",
  })),
  {
    file: "core/backends/webgpu/streamed.ts",
    inside: "streamedRange.isSliced",
    before: "const isSliced = depth > SLICE_DEPTH.software;",
    after: "const isSliced = depth >= SLICE_DEPTH.software;",
    because: "one slice is the whole depth",
  },
  ...["0", "2"].map((other) => ({
    file: "core/backends/wasm/doubles.ts",
    inside: "remainder.takeOff.multiple",
    before:
      "const multiple = scale === 1 ? divisor.get : f64x2.mul(divisor.get, f64x2.const(scale));",
    after:
      `const multiple = scale === ${other} ? divisor.get : f64x2.mul(divisor.get, f64x2.const(scale));`,
    because: "no scale is such, and a divisor multiplied by 1 is itself",
  })),
  {
    file: "core/ops/reduce.ts",
    inside: "matmul",
    before: "if (rankB === 2) {",
    after: "if (rankB === 1) {",
    because: "a matrix that is repeated along the batch gives the same product",
  },
  {
    file: "core/lowering/merge.ts",
    inside: "mergeMaps",
    before: "for (let user = 0; user < slots.length; user++) {",
    after: "for (let user = 0; user <= slots.length; user++) {",
    because: "beyond the last slot there is no kernel",
  },
  ...["1", "(-1)"].map((bytes) => ({
    file: "core/backends/webgpu/readback.ts",
    inside: "makeReadback.collect",
    before: "requests.forEach(({ resolve }, i) => resolve(parts[i] ?? new ArrayBuffer(0)));",
    after: `requests.forEach(({ resolve }, i) => resolve(parts[i] ?? new ArrayBuffer(${bytes})));`,
    because: "each request has a part, which the type checker does not know",
  })),
  ...["-1000000001", "-999999999"].map((hidden) => ({
    file: "models/architectures/gpt2_model.ts",
    inside: "HIDDEN",
    before: "const HIDDEN = -1e9;",
    after: `const HIDDEN = ${hidden};`,
    because: "the weight of a score so low is 0 in any case",
  })),
  {
    file: "core/simplify.ts",
    inside: "isNeverNegativeZero",
    before: 'if (node.op === "fill") return !Object.is(node.parameters.value, -0);',
    after: 'if (node.op === "fill") return !Object.is(node.parameters.value, -(-1));',
    because: "a sum of two constants is a constant before this is asked",
  },
  ...["3", "5"].map((bytes) => ({
    file: "core/backends/wasm/matrix_product.ts",
    inside: "matrixProductFunction",
    before: "int.eq(bColumn, int.const(4)),",
    after: `int.eq(bColumn, int.const(${bytes})),`,
    because: "a panel that is packed has the elements that are read in place otherwise",
  })),
  {
    file: "core/lowering/epilogue.ts",
    inside: "byElement",
    before: "return sameShape(domain, [rows, columns]) ? (of) => of : undefined;",
    after: "return ((of) => of);",
    because: "over other axes, no load of the product is in the order of its rows and columns",
  },
  ...[1, 3].map((edition) => ({
    file: "training/data/preparation.ts",
    inside: "EDITION",
    before: "const EDITION = 2;",
    after: `const EDITION = ${edition};`,
    because: "tables are written and read with one number, whichever it is",
  })),
  ...["1", "(-1)"].map((known) => ({
    file: "training/feeds/rollouts.ts",
    inside: "rolloutFeed.known",
    before: "const known = guidance === undefined || hasTeacher ? 0 : longestAnswer + 1;",
    after: `const known = guidance === undefined || hasTeacher ? ${known} : longestAnswer + 1;`,
    because: "a token at least is sampled, and there is room for the longer of the two",
  })),
  ...[
    "tens = 1, units = 0",
    "tens = (-1), units = 0",
    "tens = 0, units = 1",
    "tens = 0, units = (-1)",
  ]
    .map((digits) => ({
      file: "training/worlds/carry.ts",
      inside: "carry.begin",
      before:
        "const [total, ...numbers] = known.map(([tens = 0, units = 0]) => ({ tens, units }));",
      after: `const [total, ...numbers] = known.map(([${digits}]) => ({ tens, units }));`,
      because: "the type checker does not know that a number of the form has two digits",
    })),
  ...["3 ** 16", "1 ** 16", "2 * 16", "2 ** 17", "2 ** 15"].map((size) => ({
    file: "training/data/dataset.ts",
    inside: "gatherCharacters.isKnown",
    before: "const isKnown = new Uint8Array(2 ** 16);",
    after: `const isKnown = new Uint8Array(${size});`,
    because: "a character that is not known to be there is added again",
  })),
  ...([
    ["if (isKnown[unit] === 1) continue;", ["{}", "if (isKnown[unit] === 2) continue;"]],
    ["if (unit < 0xd800 || unit > 0xdfff) isKnown[unit] = 1;", [
      "{}",
      "if (unit < 55295 || unit > 0xdfff) isKnown[unit] = 1;",
      "if (unit < 0xd800 && unit > 0xdfff) isKnown[unit] = 1;",
      "if (unit < 0xd800 || unit >= 0xdfff) isKnown[unit] = 1;",
      "if (unit < 0xd800 || unit > 57344) isKnown[unit] = 1;",
      "if (unit < 0xd800 || unit > 57342) isKnown[unit] = 1;",
      "if (unit < 0xd800 || unit > 0xdfff) isKnown[unit] = 2;",
      "if (unit < 0xd800 || unit > 0xdfff) isKnown[unit] = 0;",
    ]],
  ] as const).flatMap(([before, all]) =>
    all.map((after) => ({
      file: "training/data/dataset.ts",
      inside: "gatherCharacters.add",
      ...{ before, after },
      because:
        "only a second half of a pair that stands alone is known, and others are added again",
    }))
  ),
  ...([
    ["training/collective/arrays.ts", "gatherArrays"],
    ["training/collective/requests.ts", "isAsked"],
  ] as const).flatMap(([file, inside]) =>
    ["{}", "if (collective.size === 0) return own;"].map((after) => ({
      ...{ file, inside, before: "if (collective.size === 1) return own;", after },
      because: "a process alone hears a copy of what it says",
    }))
  ),
  ...["{}", "if (collective.size === 0) return own;"].map((after) => ({
    ...{ file: "training/feeds/rollouts.ts", inside: "rolloutFeed.gatherBatches", after },
    before: "if (collective.size === 1) return own;",
    because: "a process alone hears a copy of what it says",
  })),
  {
    file: "training/collective/arrays.ts",
    inside: "gatherArrays.numbers",
    before:
      "const numbers = new Float32Array(own.reduce((total, { length }) => total + length, 0));",
    after:
      "const numbers = new Float32Array(own.reduce((total, { length }) => total + length, 1));",
    because: "a number behind the last array is told, and not read",
  },
  {
    file: "training/collective/collective.ts",
    inside: "collectiveOf.give.end",
    before: "const end = lengths.reduce((longest, length) => Math.max(longest, length), 0);",
    after: "const end = lengths.reduce((longest, length) => Math.max(longest, length), (-1));",
    because: "the longest of some is 0 at least",
  },
  {
    file: "training/collective/collective.ts",
    inside: "collectiveOf.broadcast.parts",
    before: "const parts = await give(rank === root ? bytes : NOTHING, () => true);",
    after: "const parts = await give((bytes), () => true);",
    because: "what others than the root give is not heard",
  },
  ...([
    ["collectivesInMemory.calls", "let calls = 0;", ["let calls = 1;", "let calls = (-1);"]],
    ["collectivesInMemory.exchange.number", "const number = calls++;", [
      "const number = calls--;",
    ]],
    ["collectivesInMemory.exchange", "meetings.delete(number);", ["{}"]],
  ] as const).flatMap(([inside, before, all]) =>
    all.map((after) => ({
      ...{ file: "training/collective/in_memory.ts", inside, before, after },
      because: "calls need numbers of their own, and a number does not come again",
    }))
  ),
  {
    file: "training/collective/requests.ts",
    inside: "isAsked",
    before: "return asked.some((number) => number > 0);",
    after: "return asked.every((number) => number > 0);",
    because: "it is one number",
  },
  ...["1", "(-1)"].map((first) => ({
    file: "training/collective/shares.ts",
    inside: "shareOf",
    before: "let [start, first, isCut] = [0, 0, false];",
    after: `let [start, first, isCut] = [0, ${first}, false];`,
    because: "the first micro-batch gives its number, and without any nothing is numbered",
  })),
  ...["i = (-1); i < sums.length", "i = 0; i <= sums.length"].map((range) => ({
    file: "training/collective/vector.ts",
    inside: range.includes("<=") ? "sumInOrder" : "sumInOrder.i",
    before: "for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] ?? NaN) + (array[i] ?? NaN);",
    after: `for (let ${range}; i++) sums[i] = (sums[i] ?? NaN) + (array[i] ?? NaN);`,
    because: "a typed array ignores what is stored outside of it",
  })),
  ...["{}", "if (text.length < most) return text;"].map((after) => ({
    ...{ file: "training/text/graphemes.ts", inside: "shortened", after },
    before: "if (text.length <= most) return text;",
    because: "the characters, which take longer to count, are no more",
  })),
  ...[
    "let attempt = 1; attempt < patience",
    "let attempt = (-1); attempt < patience",
    "let attempt = 0; attempt <= patience",
  ].map((attempts) => ({
    file: "training/data/tasks.ts",
    inside: attempts.includes("<=") ? "generate.draw" : "generate.draw.attempt",
    before: "for (let attempt = 0; attempt < patience; attempt++) {",
    after: `for (${attempts}; attempt++) {`,
    because: "whether prompts run out shows after about as many draws that are all taken",
  })),
  {
    file: "training/evaluation.ts",
    inside: "predictionBytes.own",
    before: "if (sequences.length === 0) return 0;",
    after: "if (sequences.length === 0) return (-1);",
    because: "the longest of several is 0 at least",
  },
  ...["1", "(-1)"].map((milliseconds) => ({
    file: "training/event_loop.ts",
    inside: "eventTurns",
    before: "await new Promise((resolve) => setTimeout(resolve, 0));",
    after: `await new Promise((resolve) => setTimeout(resolve, ${milliseconds}));`,
    because: "others have their turn before the work goes on, however long that waits",
  })),
  {
    file: "training/data/mismatched.ts",
    inside: "othersOf.prompt",
    before: "for (let prompt = 0; prompt < count; prompt++) {",
    after: "for (let prompt = 1; prompt < count; prompt++) {",
    because: "no answer stands before those to the first prompt",
  },
  {
    file: "training/data/packing.ts",
    inside: "bestFitDecreasing.byRoom.length",
    before: "const byRoom = Array.from({ length: capacity + 1 }, (): number[][] => []);",
    after: "const byRoom = Array.from({ length: capacity + 2 }, (): number[][] => []);",
    because: "no bin has more room than its capacity",
  },
  {
    file: "training/data/packing.ts",
    inside: "packedRows.windowOf",
    before:
      "for (let known = firsts.length - 1; (firsts[known] ?? NaN) <= number; known++) windowAt(known);",
    after:
      "for (let known = firsts.length - 1; (firsts[known] ?? NaN) < number; known++) windowAt(known);",
    because: "the window that begins with the number is packed where it is looked for",
  },
  ...["1", "(-1)"].map((least) => ({
    file: "training/data/mismatched.ts",
    inside: "matchedLabels",
    before: "let [truncated, longest] = [0, 0];",
    after: `let [truncated, longest] = [0, ${least}];`,
    because: "there is an answer, of a token at least",
  })),
  ...["[1, 0]", "[(-1), 0]", "[0, 1]", "[0, (-1)]"].map((cell) => ({
    file: "training/worlds/maze.ts",
    inside: "drawCell",
    before: "return cells[integerFrom(random, 0, cells.length - 1)] ?? [0, 0];",
    after: `return cells[integerFrom(random, 0, cells.length - 1)] ?? ${cell};`,
    because: "the type checker does not know that the list has the cell",
  })),
  ...["-2", "-0", "1"].map((place) => ({
    file: "training/data/table.ts",
    inside: "pickedRows.read",
    before:
      "return readTable(indices.length, { read: (index) => rowAt(table, indices[index] ?? -1) });",
    after:
      `return readTable(indices.length, { read: (index) => rowAt(table, indices[index] ?? ${place}) });`,
    because: "a table reads no index beyond its length",
  })),
  ...["3 * bytes.length", "1 * bytes.length", "2 / bytes.length"].map((room) => ({
    file: "training/data/records.ts",
    inside: "recordWriter.reserve.larger",
    before: "const larger = new Uint8Array(Math.max(2 * bytes.length, end + more));",
    after: `const larger = new Uint8Array(Math.max(${room}, end + more));`,
    because: "there is room for what comes next, and the buffer grows again for more",
  })),
  {
    file: "training/data/table_store.ts",
    inside: "growingNumbers.add.larger",
    before: "const larger = new Float64Array(2 * length);",
    after: "const larger = new Float64Array(3 * length);",
    because: "there is room for what comes next, and the list grows again for more",
  },
  {
    file: "training/settings.ts",
    inside: "areSettings",
    before: "? defaultOf(row) === undefined && row.usual === undefined",
    after: "? defaultOf(row) === undefined || row.usual === undefined",
    because: "what has a usual value is given one before",
  },
  {
    file: "training/text/nearest.ts",
    inside: "nearest",
    before: "if (Math.abs(written.length - squeezed(name).length) > allowed) continue;",
    after: "{}",
    because: "the distance, which takes longer, is as large at least",
  },
  {
    file: "training/text/nearest.ts",
    inside: "distance.last.length",
    before: "let last = Array.from({ length: b.length + 1 }, (_, j) => j);",
    after: "let last = Array.from({ length: b.length + 2 }, (_, j) => j);",
    because: "the distance to more than the whole text is not read",
  },
  {
    file: "training/worlds/maze.ts",
    inside: "distancesTo.found",
    before: "const found = new Map([[nameOf(goal), 0]]);",
    after: "const found = new Map([[nameOf(goal), (-1)]]);",
    because: "a goal is nearer to itself than any other cell is",
  },
  ...["1", "(-1)"].flatMap((other) =>
    ([
      [
        "training/settings.ts",
        "requireMemory",
        "if (memory === undefined || (parseBytes(memory) ?? 0) >= LEAST_MEMORY) return;",
        "what is no size is less than the least memory",
      ],
      [
        "training/data/examples.ts",
        "promptFit.fit.whole",
        "whole: ids.length + Math.max(room, answer?.ids.length ?? 0),",
        "there is room for a token at least",
      ],
      [
        "training/run/trainer.ts",
        "runStages.begin",
        "const begin = starts[stage] ?? 0;",
        "the type checker does not know that each stage has a start",
      ],
      [
        "training/feeds/replay.ts",
        "groupScore",
        "const [first = 0] = judged;",
        "of no rewards, all are the same",
      ],
    ] as const).map(([file, inside, before, because]) => ({
      ...{ file, inside, before, because },
      after: before.replace(/(\?\?|=) 0(?=[\]),;])/, `$1 ${other}`),
    }))
  ),
  {
    file: "training/feeds/guidance.ts",
    inside: "privilegedRows.sibling.passed",
    before: "first + i !== row && (rewards[first + i] ?? 0) >= PASSING",
    after: "first + i !== row && (rewards[first + i] ?? (-1)) >= PASSING",
    because: "an answer that nobody judged has not passed",
  },
  ...["strings.length >= 0", "strings.length > (-1)"].map((any) => ({
    file: "training/sampling/sampler.ts",
    inside: "createAnswerSampler.ends",
    before: "...strings.length > 0 && { watch: stopStrings(tokenizer, strings) },",
    after: `...${any} && { watch: stopStrings(tokenizer, strings) },`,
    because: "where no string is looked for, none is found, though that takes longer",
  })),
  ...([
    ["evaluate", "if (i === 0) isPredicted = loss !== undefined;", [
      "if (i !== 0) isPredicted = loss !== undefined;",
      "if (i === 1) isPredicted = loss !== undefined;",
      "if (i === (-1)) isPredicted = loss !== undefined;",
      "if (i === 0) isPredicted = loss === undefined;",
      "{}",
    ]],
    ["evaluate.isPredicted", "let isPredicted = false;", ["let isPredicted = true;"]],
    ["evaluate", "return isPredicted ? { ...at, predicted: step } : at;", [
      "return !(isPredicted) ? { ...at, predicted: step } : at;",
      "return ({ ...at, predicted: step });",
      "return (at);",
    ]],
  ] as const).flatMap(([inside, before, all]) =>
    all.map((after) => ({
      ...{ file: "training/run/trainer.ts", inside, before, after },
      because: "a model that was evaluated is probed again, or there is nothing to probe it on",
    }))
  ),
  {
    file: "training/data/batches.ts",
    inside: "paddedTo",
    before: "return Math.min(longestRow(context), Math.ceil(Math.max(2, longest) / 8) * 8);",
    after: "return Math.min(longestRow(context), Math.ceil(Math.max(1, longest) / 8) * 8);",
    because: "of both, the next multiple of 8 is 8",
  },
  {
    file: "training/worlds/maze.ts",
    inside: "cellNamed.most",
    before:
      "const [column, row] = readForm([{ kind: columns, most: 1 }, { kind: digits, most: 1 }], name) ??",
    after:
      "const [column, row] = readForm([{ kind: columns, most: 1 }, { kind: digits, most: 2 }], name) ??",
    because: "a maze has fewer than ten rows, so that a row of two digits is none",
  },
  {
    file: "training/worlds/order.ts",
    inside: "inversions",
    before:
      "(count, own, i) => count + [...list.slice(i + 1)].filter((other) => own > other).length,",
    after:
      "(count, own, i) => count + [...list.slice(i + 1)].filter((other) => own >= other).length,",
    because: "no two digits of a list are equal",
  },
  {
    file: "training/worlds/word.ts",
    inside: "sumOf.sign.most",
    before: 'const sign: Slot = { kind: operators.join(""), most: 1 };',
    after: 'const sign: Slot = { kind: operators.join(""), most: 2 };',
    because: "two signs are no operator",
  },
  {
    file: "training/worlds/word.ts",
    inside: "word.id",
    before: '`${done}:${isLast === true ? "#" : ""}${',
    after: '`${done}:${isLast !== true ? "#" : ""}${',
    because: "two states are told apart by the sign, whichever of them has it",
  },
  {
    file: "training/rewards/accuracy.ts",
    inside: "inBraces",
    before: "for (let end = start; end < text.length; end++) {",
    after: "for (let end = start; end <= text.length; end++) {",
    because: "behind a text there is no brace",
  },
  ...["slice(1, 24)", "slice(0, 25)", "slice(0, 23)"].map((changed) => ({
    file: "cli/data/inspection.ts",
    inside: "contentOf",
    before: "return digestOf(JSON.stringify(row)).slice(0, 24);",
    after: `return digestOf(JSON.stringify(row)).${changed};`,
    because: "a digit more or less of a digest tells rows apart as well",
  })),
  ...["1", "(-1)"].flatMap((byte) =>
    [
      `Math.max(${byte}, used - start - (isFull ? 0 : YOUNG))`,
      `Math.max(0, used - start - (isFull ? ${byte} : YOUNG))`,
    ].map((growth) => ({
      file: "cli/data/memory.ts",
      inside: "watchMemory.begin.growth",
      before: "const growth = Math.max(0, used - start - (isFull ? 0 : YOUNG));",
      after: `const growth = ${growth};`,
      because: "memory is told in tenths of a gigabyte",
    }))
  ),
  {
    file: "training/rewards/penalties.ts",
    inside: "repetitionPenalty.score.total",
    before: "const total = Math.max(0, ids.length - size + 1);",
    after: "const total = Math.max(1, ids.length - size + 1);",
    because: "an answer of fewer tokens is one n-gram that is cut short, which comes once",
  },
  {
    file: "training/feeds/rollouts.ts",
    inside: "NO_PROMPT",
    before: "const NO_PROMPT = -1;",
    after: "const NO_PROMPT = -2;",
    because: "no prompt has a number below 0",
  },
  {
    file: "training/data/records.ts",
    inside: "LONGEST_NUMBER",
    before: "const LONGEST_NUMBER = 5;",
    after: "const LONGEST_NUMBER = 6;",
    because: "room that is not needed stays empty",
  },
  {
    file: "cli/data/tables/table_cache.ts",
    inside: "isLocked",
    before: "return !file.tryLockSync(true);",
    after: "return !file.tryLockSync(false);",
    because: "a file is locked by its writer alone, who keeps readers out as well",
  },
  {
    file: "cli/rewards/watchdog.ts",
    inside: "write.written",
    before: "for (let written = 0; written < bytes.length;) {",
    after: "for (let written = (-1); written < bytes.length;) {",
    because: "a line break before a frame is an empty line more, which is skipped",
  },
  ...["count = 1", "count = (-1)", "data = 1", "data = (-1)", "text = 1", "text = (-1)"].map(
    (changed) => ({
      file: "cli/data/tables/record_file.ts",
      inside: "readIndex",
      before: "const [count = 0, data = 0, text = 0] = numbers;",
      after: "const [count = 0, data = 0, text = 0] = numbers;".replace(
        changed.replace(/=.*/, "= 0"),
        changed,
      ),
      because: "the type checker does not know that there are three numbers",
    }),
  ),
  ...["1", "(-1)"].flatMap((other) =>
    ([
      ["cli/data/readers/json_list.ts", "elementsOf.byte", "const byte = chunk[i] ?? 0;"],
      [
        "cli/study/exposure/tallies.ts",
        "forcedTally",
        "for (; reached < written; at++) reached += texts[at]?.length ?? 0;",
      ],
    ] as const).map(([file, inside, before]) => ({
      ...{ file, inside, before },
      after: before.replace("?? 0", `?? ${other}`),
      because: "the type checker does not know that the array has the element",
    }))
  ),
  ...["1", "(-1)"].flatMap((other) =>
    ["cell.padEnd(widths[i] ?? 0)", "cell.padStart(widths[i] ?? 0)"].map((padded) => {
      const before =
        "row.map((cell, i) => i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))";
      return {
        file: "cli/terminal/layout.ts",
        inside: "alignTable",
        before,
        after: before.replace(padded, padded.replace("?? 0", `?? ${other}`)),
        because: "the type checker does not know that each column has a width",
      };
    })
  ),
  ...["1", "(-1)"].map((width) => ({
    file: "cli/terminal/layout.ts",
    inside: "fitTable",
    before: "const [names = 0, ...widths] = columnWidths(rows);",
    after: `const [names = ${width}, ...widths] = columnWidths(rows);`,
    because: "where there is no first column, there is no other that would stand beside it",
  })),
  ...["held.add(buffers);", "held.delete(buffers);"].map((before) => ({
    file: "training/mpi/processes.ts",
    inside: "exchangeBy.own",
    before,
    after: "{}",
    because: "buffers are kept from the collector of garbage, which no test can call in time",
  })),
  {
    file: "cli/run/trained.ts",
    inside: "frozenOf.keepsStorage",
    before: "return await readPretrained(folder, { ...options, keepsStorage: true });",
    after: "return await readPretrained(folder, { ...options, keepsStorage: false });",
    because: "weights of 16 bits are the same numbers in f32, which take more memory",
  },
  ...["slice(1, 8)", "slice(0, 9)", "slice(0, 7)"].map((part) => ({
    file: "cli/files/atomic.ts",
    inside: "writeFileAtomically.beside",
    before: "const beside = withEnding(path, `.${crypto.randomUUID().slice(0, 8)}${PARTIAL}`);",
    after: `const beside = withEnding(path, \`.\${crypto.randomUUID().${part}}\${PARTIAL}\`);`,
    because: "of some random characters more or fewer, no two writers have the same",
  })),
  ...["2 << 20", "1 << 21", "1 << 19"].map((size) => ({
    file: "cli/run/checkpoints.ts",
    inside: "digestOfFile.buffer",
    before: "const buffer = new Uint8Array(1 << 20);",
    after: `const buffer = new Uint8Array(${size});`,
    because: "a digest is that of all bytes, whatever is read at once",
  })),
];

const inMemory = "what is stored, and what computed again, has the same elements";
const ways = "it chooses between ways to multiply that give the same products";
const waiting = "threads that wait go on when they are woken, however long they looked before";
const sharing = "a loop has the same rounds, however many threads share them";
const kept = "what is not kept for another time is made anew";
const pieces = "what is read, written or told in pieces of any size is the same";
const looks = "what is waited for is seen, however often somebody looks";
const sooner = "data that does not fit is refused, sooner or later";
const patience = "what does not come is given up, sooner or later";
const beside = "what a model says of a row does not depend on the other rows of its batch";

/** The constants whose values decide how long results take, never what they are. */
export const tuned: readonly Tuning[] = [
  { file: "core/lowering/stored.ts", inside: "costs", because: inMemory },
  { file: "core/lowering/stored.ts", inside: "RECOMPUTE_LIMIT", because: inMemory },
  { file: "core/lowering/stored.ts", inside: "DEAR_INSTRUCTION", because: inMemory },
  { file: "core/lowering/stored.ts", inside: "REPEAT_LIMIT", because: inMemory },
  { file: "core/lowering/stored.ts", inside: "BODY_LIMIT", because: inMemory },
  { file: "core/backends/wasm/matrix_product.ts", inside: "NEAR", because: ways },
  { file: "core/backends/wasm/matrix_product.ts", inside: "SMALL", because: ways },
  { file: "core/backends/webgpu/matmul.ts", inside: "LARGE_PRODUCT", because: ways },
  { file: "core/backends/webgpu/matmul.ts", inside: "TRANSPOSED_REUSE", because: ways },
  { file: "core/backends/webgpu/matmul.ts", inside: "TRANSPOSED_LIMIT", because: ways },
  { file: "core/backends/webgpu/streamed.ts", inside: "LARGE_PRODUCT", because: ways },
  { file: "core/backends/webgpu/blocked.ts", inside: "MANY_BLOCKS", because: ways },
  { file: "core/backends/webgpu/tiled.ts", inside: "BUSY_WORKGROUPS", because: ways },
  { file: "core/backends/webgpu/tiled.ts", inside: "SPLIT_DEPTH", because: ways },
  {
    file: "core/backends/webgpu/attention_plan.ts",
    inside: "TILE_PIECES",
    because: "tiles of any size have the same sums",
  },
  ...(["hardware", "software"] as const).flatMap((kind) =>
    (["workgroups", "invocations", "elementsALane"] as const).map((size) => ({
      file: "core/backends/webgpu/dispatch.ts",
      inside: `tunings.${kind}.${size}`,
      because: "a sum has the same terms, however many lanes share them",
    }))
  ),
  {
    file: "core/backends/webgpu/rows.ts",
    inside: "SEARCH_TOGETHER",
    because: "rows find the same ids, by one lane or by many",
  },
  { file: "core/backends/wasm/threads.ts", inside: "SPINS", because: waiting },
  { file: "core/backends/wasm/threads.ts", inside: "LOOKS", because: waiting },
  {
    file: "core/backends/wasm/row_products.ts",
    inside: "UNROLL",
    because: "rounds that are written out add the same terms in the same order",
  },
  { file: "core/backends/wasm/program.ts", inside: "PARALLEL_WORK", because: sharing },
  { file: "core/backends/wasm/kernels.ts", inside: "SHARED_WORK", because: sharing },
  {
    file: "core/backends/webgpu/readback.ts",
    inside: "BATCH_BYTES",
    because: "what is read in one turn or in several has the same bytes",
  },
  {
    file: "core/backends/wasm/doubles.ts",
    inside: "STEP",
    because: "a divisor of 24 bits by a quotient of 25 or 27 is exact as well",
  },
  {
    file: "models/pretrained/parts.ts",
    inside: "PART",
    because: "the ids of a text are those of its parts, whatever their length",
  },
  { file: "core/evaluate.ts", inside: "KEPT_PROGRAMS", because: kept },
  { file: "cli/data/tables/table_cache.ts", inside: "UNUSED", because: kept },
  { file: "core/backends/wasm/threads.ts", inside: "KEPT_PROGRAMS", because: kept },
  { file: "core/backends/webgpu/program.ts", inside: "KEPT_GROUPS", because: kept },
  {
    file: "core/backends/webgpu/webgpu.ts",
    inside: "LOSS_MILLISECONDS",
    because: "it is a time that is waited for news of a device that may never come",
  },
  {
    file: "cli/data/readers/bytes.ts",
    inside: "STRIDE",
    because: "it decides how often progress is told, and nothing else",
  },
  {
    file: "training/data/table_store.ts",
    inside: "ROOM",
    because: "a list without room grows",
  },
  {
    file: "training/data/watch.ts",
    inside: "STRIDE",
    because: "it decides how often progress is told",
  },
  {
    file: "cli/hub/download.ts",
    inside: "LINE_EVERY",
    because: "it decides how often progress is told, and nothing else",
  },
  {
    file: "training/data/tasks.ts",
    inside: "patience",
    because: "about as many draws that are all taken show that prompts run out",
  },
  {
    file: "training/run/trainer.ts",
    inside: "PROBES",
    because: "weights that are not finite show in a few predictions, and in more",
  },
  {
    file: "training/data/tasks.ts",
    inside: "STRIDE",
    because: "it decides how often progress is told",
  },
  ...([
    ["cli/files/write.ts", "PIECE"],
    ["cli/run/located.ts", "PIECE"],
    ["cli/data/row_summary.ts", "PIECE"],
    ["cli/data/tables/record_file.ts", "PIECE"],
    ["cli/data/readers/bytes.ts", "CHUNK"],
    ["training/data/table_store.ts", "BLOCK"],
    ["training/collective/collective.ts", "BUCKET_BYTES"],
  ] as const).map(([file, inside]) => ({ file, inside, because: pieces })),
  ...([
    ["cli/hub/blob.ts", "LOOK_EVERY"],
    ["cli/study/borrowed_hands.ts", "BETWEEN"],
    ["cli/rewards/watchdog.ts", "LOOK_MS"],
    ["training/event_loop.ts", "TURN_MS"],
  ] as const).map(([file, inside]) => ({ file, inside, because: looks })),
  ...([
    ["cli/data/memory.ts", "TELLING"],
    ["cli/data/readers/zstd.ts", "LARGEST_FRAME"],
    ["training/data/material.ts", "ENCODING_BYTES"],
    ["training/data/task_material.ts", "EXAMPLE_BYTES"],
    ["training/data/task_material.ts", "ENCODING_LATER"],
    ["training/data/task_material.ts", "SHARE"],
    ["cli/data/places/glob.ts", "MOST"],
    ["cli/rewards/process.ts", "OWN_MEMORY"],
  ] as const).map(([file, inside]) => ({ file, inside, because: sooner })),
  ...([
    ["cli/hub/download.ts", "PATIENCE"],
    ["cli/data/readers/parquet.ts", "PATIENCE"],
    ["cli/rewards/code.ts", "START_SECONDS"],
    ["cli/run/mpi_command.ts", "PATIENCE"],
  ] as const).map(([file, inside]) => ({ file, inside, because: patience })),
  {
    file: "cli/files/sealed.ts",
    inside: "LARGEST",
    because: "a page is far smaller, and of a file that is not its seal is looked at",
  },
  { file: "training/kinds/offline.ts", inside: "ASIDE_ROWS", because: beside },
  { file: "cli/study/measures.ts", inside: "ROWS", because: beside },
  { file: "cli/study/exposure/probe.ts", inside: "ROWS", because: beside },
  {
    file: "cli/study/statistics.ts",
    inside: "INTERVALS",
    because: "the integral of a smooth function that is 0 at both ends has its digits long before",
  },
  {
    file: "cli/run/pace.ts",
    inside: "VALUE",
    because: "numbers are multiplied and added at one pace",
  },
  {
    file: "cli/run/pace.ts",
    inside: "MEASURED",
    because: "a pace is measured in any time; the longer, the less other work shows in it",
  },
  {
    file: "cli/commands/sample.ts",
    inside: "AT_ONCE",
    because: "an answer follows from its seed and its number, however many grow at once",
  },
  {
    file: "training/data/records.ts",
    inside: "FIRST_BYTES",
    because: "a buffer without room grows",
  },
];
