/** `doctor`: what a machine has. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { diagnosis } from "../../../cli/doctor/diagnosis.ts";
import {
  examineMachine,
  folderBytes,
  type MachineFacts,
  programIn,
} from "../../../cli/doctor/machine.ts";
import { doctorCommand } from "../../../cli/commands/doctor.ts";
import {
  assertRefused,
  doctor,
  ended,
  helpOf,
  inFolder,
  permissionsOf,
  start,
} from "../command.ts";
import { symbolicLink } from "../../symbolic_link.ts";

const GIB = 2 ** 30;
const pace = { multiplications: 45e9, bytes: 10 * GIB };

/** A machine with a graphics processor and empty caches. */
const usual: MachineFacts = {
  deno: { version: "2.9.6", target: "x86_64-unknown-linux-gnu" },
  processors: 24,
  memory: { total: 64 * GIB, available: 32 * GIB },
  wasm: { threads: 16, mostBytes: 16 * GIB },
  graphics: {
    description: "a card",
    isSoftware: false,
    limits: { buffer: 4 * GIB, binding: 2 * GIB },
    features: ["f16", "subgroups"],
  },
  compiler: "/usr/bin/cc",
  hubCache: { folder: "/cache/hub", bytes: 3 * GIB },
  tableCache: { folder: "/cache/tables", bytes: undefined },
};

const rowsOf = (machine: Partial<MachineFacts>) =>
  Object.fromEntries(diagnosis({ ...usual, ...machine }, pace));

Deno.test("the facts of a machine are told in words", () => {
  assertEquals(rowsOf({}), {
    "Deno": ["2.9.6 on x86_64-unknown-linux-gnu"],
    "processor": ["24 threads"],
    "memory": ["64 GiB, of which 32 GiB are free"],
    "wasm": [
      "16 threads, memory up to 16 GiB, beyond 4 GiB by addresses of 64 bits",
      "45 billion multiplications of products a second, 10 GiB read a second",
    ],
    "webgpu": [
      "a card",
      "buffers of at most 4 GiB, of which a kernel sees 2 GiB",
      "found beyond the standard: f16, subgroups",
    ],
    "device": ["--device auto trains on webgpu"],
    "C compiler": ["/usr/bin/cc"],
    "hub cache": ["/cache/hub, 3 GiB"],
    "data cache": ["/cache/tables, not there yet"],
  });
});

Deno.test("what a machine lacks is told as well", () => {
  const poor = rowsOf({
    memory: undefined,
    wasm: { threads: 1, mostBytes: 4 * GIB - 65536 },
    graphics: { missing: "no WebGPU adapter was found" },
    compiler: undefined,
    hubCache: undefined,
  });
  assertEquals(poor.memory, ["unknown: --allow-sys=systemMemoryInfo lets Deno tell"]);
  assertEquals(poor.wasm?.[0], "1 threads, memory up to 4 GiB");
  assertEquals(poor.webgpu, ["no WebGPU adapter was found"]);
  assertEquals(poor.device, ["--device auto trains on wasm"]);
  assertEquals(poor["C compiler"], ["none in PATH; --device native alone needs one"]);
  assertEquals(poor["hub cache"], [
    "its place is unknown: neither HOME nor a folder for it is set",
  ]);
  const { description, limits } = { description: "llvmpipe", limits: { buffer: 1024, binding: 8 } };
  const software = rowsOf({ graphics: { description, isSoftware: true, limits, features: [] } });
  assertEquals(software.webgpu, [
    "llvmpipe, a software adapter: wasm is faster",
    "buffers of at most 1 KiB, of which a kernel sees 8 bytes",
  ]);
  assertEquals(software.device, ["--device auto trains on wasm"]);
});

inFolder("programs are found in PATH, by name before by folder", async (folder) => {
  for (const path of ["a/clang", "b/gcc", "b/clang", "c/cc.exe"]) {
    await Deno.mkdir(`${folder}/${path.slice(0, 1)}`, { recursive: true });
    await Deno.writeTextFile(`${folder}/${path}`, "");
  }
  await Deno.mkdir(`${folder}/a/cc`);
  const names = ["cc", "gcc", "clang"];
  const path = `${folder}/none:${folder}/a::${folder}/b`;
  assertEquals(await programIn(names, path, false), `${folder}/b/gcc`);
  assertEquals(await programIn(["clang"], path, false), `${folder}/a/clang`);
  assertEquals(await programIn(names, `${folder}/a;${folder}/c`, true), `${folder}/c/cc.exe`);
  assertEquals(await programIn(["cc"], path, false), undefined);
  assertEquals(await programIn(names, undefined, false), undefined);
});

inFolder("the size of a folder is that of its files, links left out", async (folder) => {
  await Deno.mkdir(`${folder}/own/inner`, { recursive: true });
  await Deno.writeTextFile(`${folder}/own/a`, "12345");
  await Deno.writeTextFile(`${folder}/own/inner/b`, "123");
  await symbolicLink(`${folder}/own/a`, `${folder}/own/link`);
  assertEquals(await folderBytes(`${folder}/own`), 8);
  assertEquals(await folderBytes(`${folder}/none`), undefined);
});

Deno.test("doctor prints a table, asks for little, and takes no flags", async () => {
  const { code, stdout } = await ended(start("doctor", []));
  assertEquals(code, 0);
  const terms = stdout.trimEnd().split("\n").map((line) => line.slice(0, 12).trim());
  assertEquals(terms.filter((term) => term !== ""), Object.keys(rowsOf({})));
  assertMatch(stdout, /^Deno {8}\d+\.\d+\.\d+ on /);
  assertMatch(stdout, /^memory {6}[\d.]+ [GM]iB/m);
  assertRefused(await doctor("--fast"), 2, "--fast");
  assertStringIncludes(await helpOf(doctorCommand), "\n  deno task doctor\n");
  assertEquals(permissionsOf("doctor").filter((name) => /^(?:run|write|net|ffi)/.test(name)), []);
});

inFolder("a machine is looked at by its variables, as far as they say where", async (folder) => {
  await Deno.mkdir(`${folder}/hub/models--a`, { recursive: true });
  await Deno.writeTextFile(`${folder}/hub/models--a/weights`, "123456");
  const look = (values: Readonly<Record<string, string>>) => examineMachine((name) => values[name]);
  const { hubCache, tableCache, deno, memory, processors, wasm, graphics } = await look({
    ...{ HF_HOME: folder, XDG_CACHE_HOME: `${folder}/caches` },
  });
  assertEquals(hubCache, { folder: `${folder}/hub`, bytes: 6 });
  assertEquals(tableCache, { folder: `${folder}/caches/unitune/tables`, bytes: undefined });
  assertEquals(deno, { version: Deno.version.deno, target: Deno.build.target });
  assertEquals(processors, navigator.hardwareConcurrency);
  assert((memory?.total ?? 1) > 0 && wasm.threads > 0 && wasm.mostBytes > 0);
  assert("missing" in graphics ? graphics.missing !== "" : graphics.limits.buffer > 0);
  // Without a home folder, no cache is known.
  const bare = await look({});
  assertEquals([bare.hubCache, bare.tableCache, bare.compiler], [undefined, undefined, undefined]);
});
