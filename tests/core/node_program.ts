/**
 * What Node runs of the packages, bundled from the sources: every primitive on both backends, halves
 * of a safetensors file, a profile, and a small training, on two threads where Node can start them.
 * Nothing here imports Deno's API or has Node's; what it finds is printed as JSON.
 */
import { adamw, chain, clipByGlobalNorm } from "@unitune/autodiff";
import {
  compile,
  type Device,
  evaluate,
  fromRawTensor,
  key,
  matmul,
  normal,
  reference,
  type Tensor,
  tensor,
  wasm,
} from "@unitune/core";
import { gpt } from "@unitune/models";
import { initTrainingState, sft, trainingStep } from "@unitune/objectives";
import { cases } from "./primitives_table.ts";

/** What is compared between Deno and Node. */
export interface NodeReport {
  /** Bits of every primitive's results by backend. */
  readonly primitives: Readonly<Record<string, readonly number[]>>;
  /** Halves of a file as f32. */
  readonly halves: readonly number[];
  /** Kernels that a profile names. */
  readonly profiled: readonly string[];
  /** Losses of a training. */
  readonly losses: readonly number[];
}

async function primitiveBits(device: Device): Promise<number[]> {
  const bits: number[] = [];
  for (const list of Object.values(cases)) {
    for (const { build, apply } of list) {
      const program = compile((...inputs: Tensor[]) => apply(inputs), { device });
      const data = await program(...build("f32")).data();
      bits.push(...new Uint8Array(data.buffer));
    }
  }
  return bits;
}

async function losses(device: Device): Promise<number[]> {
  const policy = gpt({ vocabulary: 17, context: 16, layers: 1, heads: 2, width: 32, dropout: 0.1 });
  const optimizer = chain<unknown[]>(clipByGlobalNorm(1), adamw(1e-3));
  const step = compile(
    trainingStep({ policy, objective: sft(), optimizer }),
    { device, donate: [0] },
  );
  const ids = Array.from({ length: 8 * 17 }, (_, i) => i * i % 17);
  const batch = {
    ids: tensor(ids, { shape: [8, 17], dtype: "i32" }),
    mask: tensor(ids.map((_, i) => i % 17 === 0 ? 0 : 1), { shape: [8, 17] }),
  };
  let state = evaluate(initTrainingState(policy.init(key(0)), optimizer, key(1)), device);
  const found: number[] = [];
  for (let i = 0; i < 4; i++) {
    const result = step(state, batch);
    state = result.state;
    found.push(await result.metrics.loss?.item() ?? NaN);
  }
  return found;
}

/** Everything, on a machine of this many threads as far as there are workers for them. */
export async function runEverything(): Promise<NodeReport> {
  const device = wasm({ threads: 2, relaxedSimd: false });
  const product = compile((x: Tensor) => matmul(x, x), { device });
  const x = normal(key(0), [64, 64]);
  const profile = await device.profile(() => product(x)) ?? [];
  const report: NodeReport = {
    primitives: {
      wasm: await primitiveBits(device),
      reference: await primitiveBits(reference()),
    },
    halves: [
      ...fromRawTensor({
        dtype: "F16",
        shape: [4],
        data: new Uint8Array([0x01, 0x00, 0x00, 0xbc, 0x00, 0x7c, 0xff, 0x7b]),
      }).data,
    ],
    profiled: profile.map(({ kernel }) => kernel),
    // The device that is used where none is named has threads of its own.
    losses: [...await losses(device), await tensor([2]).item()],
  };
  device[Symbol.dispose]();
  return report;
}
