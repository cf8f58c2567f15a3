/** The table of a vocabulary of 151,936 in pieces: rows of it, a head that is tied to it, gradients. */
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import {
  compile,
  gather,
  matmul,
  scatterAdd,
  type Tensor,
  tensor,
  transposeLast,
  webgpu,
} from "@unitune/core";
import { testOnWebGpu } from "../webgpu/adapter.ts";
import { bitsOn } from "../webgpu/compare.ts";
import { summed } from "../webgpu/numbers.ts";
import { piecesOf, watched } from "../webgpu/pieces.ts";

/** Tokens, and the width of the model: those of Qwen3-0.6B. */
const [VOCABULARY, WIDTH] = [151_936, 1024] as const;

/** Elements of a piece: 16 MiB. */
const PIECE = 2 ** 22;

/** Numbers that are the same in no two neighbouring rows. */
function numbers(size: number, step: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: size }, (_, i) => ((i * step) % 1009 - 504) / 512);
}

testOnWebGpu("a table of 151,936 x 1,024 works in pieces of 16 MiB", async () => {
  using device = await webgpu({ limits: piecesOf(PIECE) });
  const [table, x] = [numbers(VOCABULARY * WIDTH, 7), numbers(2 * WIDTH, 3)];
  const places = [0, 151_935, 77_777, 151_935, -1, 151_936];
  using program = compile(
    (table: Tensor, x: Tensor, ids: Tensor) => {
      const rows = gather(table, ids);
      return [rows, matmul(x, transposeLast(table)), scatterAdd(ids, rows, VOCABULARY)];
    },
    { device },
  );
  const most = await watched(async () => {
    const [rows, logits, gradient] = await Promise.all(
      program(
        tensor(table, { shape: [VOCABULARY, WIDTH] }),
        tensor(x, { shape: [2, WIDTH] }),
        tensor(places, { dtype: "i32" }),
      ).map((result) => result.data()),
    );
    assert(rows !== undefined && logits !== undefined && gradient !== undefined);
    const times = new Map<number, number>();
    places.forEach((id, i) => {
      const row = rows.subarray(i * WIDTH, (i + 1) * WIDTH);
      const isToken = id >= 0 && id < VOCABULARY;
      const wanted = table.subarray(id * WIDTH, (id + 1) * WIDTH);
      assertEquals(row, isToken ? wanted : new Float32Array(WIDTH).fill(NaN), `token ${id}`);
      if (isToken) times.set(id, 1 + (times.get(id) ?? 0));
    });
    const { value, reason } = summed(WIDTH);
    for (let token = 0; token < VOCABULARY; token++) {
      const isUsed = times.get(token);
      for (const row of [0, 1]) {
        let [sum, size] = [0, 1];
        for (let k = 0; k < WIDTH; k++) {
          const product = (x[row * WIDTH + k] ?? NaN) * (table[token * WIDTH + k] ?? NaN);
          sum += product;
          size += Math.abs(product);
        }
        const off = Math.abs((logits[row * VOCABULARY + token] ?? NaN) - sum) / size;
        assertLessOrEqual(off, value, `logit ${token}: ${reason}`);
      }
      for (let k = 0; k < WIDTH; k++) {
        const place = token * WIDTH + k;
        const wanted = isUsed === undefined ? 0 : isUsed * (table[place] ?? NaN);
        if (gradient[place] !== wanted) assertEquals(gradient[place], wanted, `gradient ${token}`);
      }
    }
  });
  assertLessOrEqual(most.bindings, 8);
  assertEquals(most.bytes, 4 * PIECE);
});

testOnWebGpu("updates that lanes look for together are added alike in pieces", async (_, ample) => {
  using small = await webgpu({ tuning: "hardware", limits: piecesOf(2 ** 16) });
  const count = 200;
  const ids = Int32Array.from({ length: count }, (_, i) => (i * i * 7919) % 97 * 1500);
  const inputs = [
    tensor(ids, { dtype: "i32" }),
    tensor(numbers(8 * count, 7), { shape: [count, 8] }),
  ];
  const f = ([ids, updates]: readonly Tensor[]) => {
    assert(ids !== undefined && updates !== undefined);
    return [scatterAdd(ids, updates, VOCABULARY)];
  };
  assertEquals(await bitsOn(small, f, inputs), await bitsOn(ample, f, inputs));
});
