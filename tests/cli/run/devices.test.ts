import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { openDevice } from "@unitune/cli";
import { UserError } from "@unitune/training";
import { matmul, tensor } from "@unitune/core";
import { testOnWebGpu } from "../../webgpu/adapter.ts";

/** Runs a test on a machine without an adapter. */
async function withoutAdapter(test: () => Promise<void>): Promise<void> {
  const { requestAdapter } = GPU.prototype;
  GPU.prototype.requestAdapter = () => Promise.resolve(null);
  try {
    await test();
  } finally {
    GPU.prototype.requestAdapter = requestAdapter;
  }
}

Deno.test("without an adapter, auto is wasm and says so in a sentence", async () => {
  await withoutAdapter(async () => {
    const sentences: string[] = [];
    using device = await openDevice("auto", (sentence) => sentences.push(sentence));
    assertEquals([device.name, sentences.length], ["wasm", 1]);
    assertMatch(sentences[0] ?? "", /^computing on wasm: no WebGPU adapter was found: install /);
  });
});

Deno.test("without an adapter, webgpu is an error", async () => {
  await withoutAdapter(async () => {
    await assertRejects(
      () => openDevice("webgpu"),
      UserError,
      "--device webgpu: no WebGPU adapter was found",
    );
  });
});

Deno.test("auto is a graphics processor, or a sentence says why not", async () => {
  const sentences: string[] = [];
  using device = await openDevice("auto", (sentence) => sentences.push(sentence));
  assertEquals(sentences.length, device.name === "webgpu" ? 0 : 1);
});

testOnWebGpu(
  "a software adapter that is asked for is used, and called slow once",
  async ({ isSoftware }) => {
    const sentences: string[] = [];
    using device = await openDevice("webgpu", (sentence) => sentences.push(sentence));
    assertEquals(device.name, "webgpu");
    assertEquals(sentences.length, isSoftware ? 1 : 0);
    for (const sentence of sentences) {
      assertMatch(
        sentence,
        /^computing on webgpu by .*, a software adapter: --device wasm is faster$/,
      );
    }
  },
);

Deno.test("devices that are named are opened without a word", async () => {
  for (const name of ["wasm", "reference"] as const) {
    using device = await openDevice(name, (sentence) => {
      throw new Error(sentence);
    });
    assertEquals(device.name, name);
    assertEquals(await matmul(tensor([[2]]), tensor([[3]])).item(), 6);
  }
});

Deno.test("a precision that the device does not compute in is refused", async () => {
  for (const name of ["wasm", "reference"] as const) {
    await assertRejects(
      () => openDevice(name, () => {}, { precision: "f16" }),
      UserError,
      `--precision f16: --device ${name} computes on ${name} here, in f32 only: give --device webgpu`,
    );
    await assertRejects(
      () => openDevice(name, () => {}, { precision: "bf16" }),
      UserError,
      `${name} here, in f32 only: give --device native, or leave --precision out`,
    );
  }
  await withoutAdapter(async () => {
    await assertRejects(
      () => openDevice("auto", () => {}, { precision: "f16" }),
      UserError,
      "on wasm here",
    );
  });
});

Deno.test("wasm has the memory that is asked for, up to what the engine gives, which is told", async () => {
  const told: string[] = [];
  const limitOf = async (memory?: number) => {
    using device = await openDevice("wasm", (sentence) => told.push(sentence), { memory });
    return device.memoryBytes;
  };
  assertEquals(await limitOf(5e8), Math.floor(5e8 / 65536) * 65536 - 64);
  // The memory of the machine is not known without a permission.
  assertEquals([await limitOf(), told.length], [(2 ** 18 - 1) * 65536 - 64, 0]);
  // A limit that is missed by less than a MiB is kept.
  const most = (2 ** 18 - 1) * 65536 - 64;
  assertEquals([await limitOf(most + 2 ** 20), told.length], [most, 0]);
  assertEquals([await limitOf(most + 2 ** 20 + 1), told.splice(0).length], [most, 1]);
  assertEquals(await limitOf(2 ** 40), most);
  assertEquals(told, [
    "the memory of wasm ends at 16 GiB here, below the 1 TiB of --memory: this engine gives no more",
  ]);
});
