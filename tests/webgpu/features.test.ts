/** What adapters may lack: the same results with a feature and without. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  compile,
  matmul,
  type Tensor,
  tensor,
  webgpu,
  type WebGpuFeature,
  type WebGpuOptions,
} from "@unitune/core";
import { testOnWebGpu } from "./adapter.ts";
import { checkReductions, reduceTwice } from "./reductions.ts";

testOnWebGpu("without subgroups lanes meet in workgroup memory", async (_, hardware) => {
  if (!hardware.features.includes("subgroups")) {
    console.warn("reductions by subgroups are skipped: the adapter has none");
  }
  using plain = await webgpu({ tuning: "hardware", without: ["subgroups"] });
  assert(!plain.features.includes("subgroups"));
  await checkReductions([plain]);
});

testOnWebGpu("reductions of the same elements have the same bits", async (_, hardware) => {
  assertEquals(...await reduceTwice(hardware));
});

testOnWebGpu("a device does without what it is told to", async () => {
  const without = ["f16", "subgroups", "timestamps"] as const;
  using plain = await webgpu({ without });
  assertEquals(plain.features, []);
});

/** A change of the kernels by which features are tried, and the features that are lost by it. */
type Fault = readonly [
  name: string,
  change: (code: string) => string,
  lost: readonly WebGpuFeature[],
];

const faults: readonly Fault[] = [
  ["nothing", (code) => code, []],
  ["numbers of 16 bits are rounded to others", (code) => code.replace("u32(four.x)", "3u"), [
    "f16",
  ]],
  ["they are far from what they were", (code) => code.replace("lane ^ 1u", "lane ^ 3u"), ["f16"]],
  ["fractions are lost", (code) => code.replace("vec4f(tile", "floor(tile"), ["f16"]],
  ["the extension is unknown", (code) => code.replace("enable f16", "enable f17"), ["f16"]],
  ["lanes exchange with others", (code) => code.replace("four, 2u", "four, 1u"), ["subgroups"]],
  [
    "in small workgroups only",
    (code) => code.includes("size(32)") ? code.replace("four, 1u", "four, 2u") : code,
    ["subgroups"],
  ],
  [
    "in large workgroups only",
    (code) => code.includes("size(256)") ? code.replace("four, 1u", "four, 2u") : code,
    ["subgroups"],
  ],
  ["subgroups do not compile", (code) => code.replace("let four", "let three"), [
    "f16",
    "subgroups",
  ]],
  ...([[2, false], [4, true], [6, false], [12, false], [128, true], [256, false]] as const).map((
    [size, isRight],
  ): Fault => [
    `subgroups of ${size} lanes that exchange`,
    (code) =>
      code.replace("= subgroupSize;", `= ${size}u;`)
        .replaceAll(/subgroupShuffleXor\(four, (\d+u)\)\.w/g, "lane ^ $1"),
    isRight ? [] : ["subgroups"],
  ]),
];

testOnWebGpu("a feature is used where its kernels get everything right", async (device) => {
  // Other adapters may lack a feature, or get it wrong by themselves.
  if (!device.description.includes("llvmpipe")) return;
  const { createShaderModule } = GPUDevice.prototype;
  try {
    for (const [name, change, lost] of faults) {
      GPUDevice.prototype.createShaderModule = function ({ code, ...others }) {
        return createShaderModule.call(this, { ...others, code: change(code) });
      };
      using opened = await webgpu();
      const all: readonly WebGpuFeature[] = ["f16", "subgroups", "timestamps"];
      assertEquals(opened.features, all.filter((feature) => !lost.includes(feature)), name);
    }
  } finally {
    GPUDevice.prototype.createShaderModule = createShaderModule;
  }
});

testOnWebGpu("an adapter whose clock stands still has no times", async () => {
  const { resolveQuerySet } = GPUCommandEncoder.prototype;
  GPUCommandEncoder.prototype.resolveQuerySet = () => undefined;
  try {
    using opened = await webgpu();
    assertEquals(opened.features.includes("timestamps"), false);
  } finally {
    GPUCommandEncoder.prototype.resolveQuerySet = resolveQuerySet;
  }
});

testOnWebGpu("kernels are made for the adapter's kind, unless another is asked for", async () => {
  const { createShaderModule } = GPUDevice.prototype;
  const info = Object.getOwnPropertyDescriptor(GPUAdapter.prototype, "info");
  assert(info !== undefined);
  const a = tensor(new Float32Array(256 * 256).fill(1), { shape: [256, 256] });
  /** The shaders of a product. */
  const shadersFor = async (options: WebGpuOptions) => {
    using device = await webgpu(options);
    const shaders: string[] = [];
    GPUDevice.prototype.createShaderModule = function (descriptor) {
      shaders.push(descriptor.code);
      return createShaderModule.call(this, descriptor);
    };
    try {
      using product = compile((x: Tensor) => matmul(x, x), { device });
      await product(a).data();
    } finally {
      GPUDevice.prototype.createShaderModule = createShaderModule;
    }
    return shaders;
  };
  try {
    const [hardware, software] = [
      await shadersFor({ tuning: "hardware" }),
      await shadersFor({ tuning: "software" }),
    ];
    assertNotEquals(hardware, software);
    for (const [description, expected] of [["llvmpipe", software], ["a card", hardware]] as const) {
      Object.defineProperty(GPUAdapter.prototype, "info", {
        ...info,
        get: () => ({ vendor: "", architecture: "", device: "", description }),
      });
      assertEquals(await shadersFor({}), expected, description);
    }
  } finally {
    Object.defineProperty(GPUAdapter.prototype, "info", info);
  }
});
