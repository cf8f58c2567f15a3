/**
 * The features of an adapter beyond those that WebGPU promises. A list of names is not trusted,
 * since drivers and translators differ in what they accept and get right: each feature is tried on
 * a small kernel whose results are looked at, and is used only where they are right.
 */
import { groupBy } from "../../groups.ts";

/** Numbers of 16 bits, exchange between the lanes of a subgroup, and times of kernels. */
export type WebGpuFeature = "f16" | "subgroups" | "timestamps";

/** Features that are used where they are found, and never required. */
export const webGpuFeatures: readonly WebGpuFeature[] = ["f16", "subgroups", "timestamps"];

/** The features that were found of a device. */
export interface Features {
  /** The features whose kernels gave the right results. */
  readonly found: ReadonlySet<WebGpuFeature>;
  /** The lines that a module with a feature begins with. */
  readonly headers: ReadonlyMap<WebGpuFeature, string>;
}

/** WebGPU's names. */
const gpuNames = {
  f16: "shader-f16",
  subgroups: "subgroups",
  timestamps: "timestamp-query",
} as const satisfies Record<WebGpuFeature, string>;

/**
 * A device with the features that its adapter grants, less the unwanted ones. Deno grants subgroups
 * where the driver has them, but does not list them: they are asked for in any case.
 */
export async function requestDevice(
  adapter: GPUAdapter,
  requiredLimits: Record<string, number>,
  without: readonly WebGpuFeature[],
): Promise<GPUDevice> {
  const wanted = webGpuFeatures.filter((feature) => !without.includes(feature));
  const listed = wanted.filter((feature) => adapter.features.has(gpuNames[feature]));
  const request = (features: readonly WebGpuFeature[]) =>
    adapter.requestDevice({
      requiredLimits,
      requiredFeatures: features.map((feature) => gpuNames[feature]),
    });
  if (listed.includes("subgroups") || !wanted.includes("subgroups")) return await request(listed);
  try {
    return await request([...listed, "subgroups"]);
  } catch {
    return await request(listed);
  }
}

/** A kernel that tells whether a feature works. */
interface Probe {
  readonly feature: WebGpuFeature;
  /** The lines that the module begins with. */
  readonly header: string;
  readonly lanes: number;
  /** Words that each lane writes to `result`. */
  readonly words: number;
  readonly body: readonly string[];
  readonly declarations: readonly string[];
  /** More parameters of the kernel. */
  readonly parameters: string;
  readonly isRight: (result: Uint32Array) => boolean;
}

/** Distances over which lanes exchange, less than the largest subgroup. */
const distances = [1, 2, 4, 8, 16, 32, 64] as const;

/**
 * That a subgroup is a run of neighbouring lanes, that its size is a power of two, and that lanes
 * exchange, as the kernels rely on. The header differs between browsers, which require it, and
 * Deno, which refuses it. That all lanes of a subgroup come by is for the kernels to see to.
 */
function subgroupProbe(header: string, lanes: number): Probe {
  const words = 1 + distances.length;
  return {
    feature: "subgroups",
    header,
    lanes,
    words,
    declarations: [],
    parameters: ", @builtin(subgroup_size) subgroupSize: u32",
    body: [
      `result[lane * ${words}u] = subgroupSize;`,
      "let four = vec4f(f32(lane));",
      ...distances.map((distance, i) =>
        `result[lane * ${words}u + ${i + 1}u] = u32(subgroupShuffleXor(four, ${distance}u).w);`
      ),
    ],
    isRight: (result) =>
      Array.from({ length: lanes }, (_, lane) => lane).every((lane) => {
        const [size = 0, ...others] = result.subarray(lane * words, (lane + 1) * words);
        const isSize = size >= 4 && size <= 128 && (size & (size - 1)) === 0;
        return isSize && distances.every((distance, i) =>
          distance >= Math.min(size, lanes) || others[i] === (lane ^ distance)
        );
      }),
  };
}

/** That numbers pass through workgroup memory as f16, rounded to 11 bits. */
const f16Probe: Probe = {
  feature: "f16",
  header: "enable f16;",
  lanes: 64,
  words: 1,
  declarations: ["var<workgroup> tile: array<vec4<f16>, 64>;"],
  parameters: "",
  body: [
    "tile[lane] = vec4<f16>(vec4f(f32(lane) + 2048f, 0.125f, -65504f, 0f));",
    "workgroupBarrier();",
    "let four = vec4f(tile[lane ^ 1u]);",
    "result[lane] = select(0u, u32(four.x), all(four.yzw == vec3f(0.125f, -65504f, 0f)));",
  ],
  // From 2048 on every other integer is an f16; which neighbour the others become is free.
  isRight: (result) =>
    result.every((word, lane) => word % 2 === 0 && Math.abs(word - (2048 + (lane ^ 1))) <= 1),
};

const probes: readonly Probe[] = [
  f16Probe,
  ...[256, 32].flatMap((lanes) => [
    subgroupProbe("enable subgroups;\ndiagnostic(off, subgroup_uniformity);", lanes),
    subgroupProbe("", lanes),
  ]),
];

function sourceOf({ header, declarations, lanes, parameters, body }: Probe): string {
  return [
    header,
    "@group(0) @binding(0) var<storage, read_write> result: array<u32>;",
    ...declarations,
    `@compute @workgroup_size(${lanes})`,
    `fn main(@builtin(local_invocation_index) lane: u32${parameters}) {`,
    ...body,
    "}",
  ].filter((line) => line !== "").join("\n");
}

/** The pipeline of a probe, if the device accepts it. */
async function pipelineOf(
  device: GPUDevice,
  probe: Probe,
): Promise<GPUComputePipeline | undefined> {
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code: sourceOf(probe) });
  const pipeline = device.createComputePipeline({
    layout: "auto",
    compute: { module, entryPoint: "main" },
  });
  return await device.popErrorScope() === null ? pipeline : undefined;
}

/** Tries every feature that the device was given; one submit and one reading. */
export async function probeFeatures(device: GPUDevice): Promise<Features> {
  const granted = probes.filter(({ feature }) => device.features.has(gpuNames[feature]));
  const compiled = await Promise.all(granted.map(async (probe) => ({
    ...probe,
    pipeline: await pipelineOf(device, probe),
  })));
  const hasTimestamps = device.features.has(gpuNames.timestamps);
  const [found, headers] = [new Set<WebGpuFeature>(), new Map<WebGpuFeature, string>()];
  if (compiled.length === 0 && !hasTimestamps) return { found, headers };

  const bytesOf = ({ lanes, words }: Probe) => 256 * Math.ceil(4 * lanes * words / 256);
  const TIMES = 256;
  const staging = device.createBuffer({
    size: compiled.reduce((total, probe) => total + bytesOf(probe), TIMES),
    usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  });
  const storage = device.createBuffer({
    size: staging.size,
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.QUERY_RESOLVE,
  });
  const times = hasTimestamps ? device.createQuerySet({ type: "timestamp", count: 2 }) : undefined;
  const encoder = device.createCommandEncoder({ label: "what the adapter can do" });
  const pass = encoder.beginComputePass(
    times && {
      timestampWrites: {
        querySet: times,
        beginningOfPassWriteIndex: 0,
        endOfPassWriteIndex: 1,
      },
    },
  );
  let offset = TIMES;
  const ran = compiled.flatMap(({ pipeline, ...probe }) => {
    if (pipeline === undefined) return [];
    const bytes = bytesOf(probe);
    pass.setPipeline(pipeline);
    const resource = { buffer: storage, offset, size: bytes };
    pass.setBindGroup(
      0,
      device.createBindGroup({
        layout: pipeline.getBindGroupLayout(0),
        entries: [{ binding: 0, resource }],
      }),
    );
    pass.dispatchWorkgroups(1);
    offset += bytes;
    return [{ probe, first: offset - bytes }];
  });
  pass.end();
  if (times !== undefined) encoder.resolveQuerySet(times, 0, 2, storage, 0);
  encoder.copyBufferToBuffer(storage, 0, staging, 0, staging.size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const read = staging.getMappedRange().slice(0);
  for (const buffer of [staging, storage]) buffer.destroy();
  times?.destroy();

  const [begin = 0n, end = 0n] = new BigUint64Array(read, 0, 2);
  if (hasTimestamps && begin > 0n && end >= begin) found.add("timestamps");
  // A header counts where every probe that begins with it is right.
  for (const [feature, ofFeature] of groupBy(ran, ({ probe }) => probe.feature)) {
    for (const [header, tried] of groupBy(ofFeature, ({ probe }) => probe.header)) {
      const wanted = granted.filter((probe) =>
        probe.feature === feature && probe.header === header
      );
      const areRight = tried.length === wanted.length &&
        tried.every(({ probe, first }) =>
          probe.isRight(new Uint32Array(read, first, probe.lanes * probe.words))
        );
      if (!areRight || found.has(feature)) continue;
      found.add(feature);
      headers.set(feature, header);
    }
  }
  return { found, headers };
}
