/** Processes by the functions of MPI, where a library in memory stands in for MPI's. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { UserError } from "@unitune/training";
// Not public: the processes of a library, and what a library is.
import { implementations } from "../../training/mpi/implementations.ts";
import type { ExchangedBytes, MpiLibrary } from "../../training/mpi/library.ts";
import { processesOf } from "../../training/mpi/processes.ts";

/** What a library in memory does. */
interface Given {
  /** The machine of each process. */
  readonly hosts: readonly string[];
  /** Whether threads may call it (default 2). */
  readonly provided?: number;
  /** The functions that fail, with MPI's code. */
  readonly failing?: Readonly<Record<string, number>>;
}

/** The first bytes of a text, as MPI writes them. */
function written(text: string, into: unknown, length: unknown): void {
  assert(into instanceof Uint8Array && length instanceof Int32Array);
  assertEquals([into.length, length.length], [1024, 1]);
  // What is behind a text is none of it.
  into.fill(0x78);
  length[0] = new TextEncoder().encodeInto(text, into).written;
}

function put(into: unknown, value: number): void {
  assert(into instanceof Int32Array && into.length === 1);
  into[0] = value;
}

/** Libraries of processes in one program, and what was called. */
function librariesOf({ hosts, provided = 2, failing = {} }: Given) {
  const meetings: { given: ExchangedBytes; taken: ExchangedBytes; done: () => void }[] = [];
  const calls: string[] = [];
  const sent: Uint8Array[] = [];
  let [busy, most] = [0, 0];
  const libraries = hosts.map((host, rank): MpiLibrary => {
    const code = (name: string) => failing[name] ?? 0;
    const called = (name: string) => {
      calls.push(`${name} ${rank}`);
      return code(name);
    };
    return {
      implementation: implementations.openmpi,
      handles: { world: 7n, byte: 8n, returnErrors: 9n },
      call: {
        MPI_Init_thread: (argc, argv, wanted, into) => {
          assertEquals([argc, argv, wanted], [0n, 0n, 2]);
          put(into, provided);
          return code("init");
        },
        MPI_Comm_set_errhandler: (world, handler) => {
          assertEquals([world, handler], [7n, 9n]);
          return called("errors");
        },
        MPI_Comm_rank: (world, into) => (assertEquals(world, 7n), put(into, rank), code("rank")),
        MPI_Comm_size: (_, into) => (put(into, hosts.length), code("size")),
        MPI_Get_processor_name: (into, length) => (written(host, into, length), code("host")),
        MPI_Error_string: (own, into, length) => (written(`fault ${own}`, into, length), 0),
        MPI_Abort: (world, exitCode) => (assertEquals(world, 7n), called(`abort ${exitCode}`)),
        MPI_Finalize: () => called("finish"),
      },
      async exchange(given, taken) {
        sent.push(given.bytes);
        // A buffer of no bytes has no address.
        const size = taken.counts.reduce((sum, count) => sum + count, 0);
        assertEquals(taken.bytes.length, Math.max(1, size));
        assert(given.bytes.length > 0 && given.bytes.buffer instanceof ArrayBuffer);
        busy += 1;
        most = Math.max(most, busy);
        await new Promise<void>((done) => {
          meetings.push({ given, taken, done });
          if (meetings.length < hosts.length) return;
          for (const [to, { taken }] of meetings.entries()) {
            for (const [from, { given: { bytes, counts, starts } }] of meetings.entries()) {
              const [start = NaN, count = NaN] = [starts[to], counts[to]];
              assertEquals(count, taken.counts[from]);
              taken.bytes.set(bytes.subarray(start, start + count), taken.starts[from]);
            }
          }
          for (const meeting of meetings.splice(0)) meeting.done();
        });
        busy -= 1;
        return code("exchange");
      },
    };
  });
  return { libraries, calls, sent, most: () => most };
}

Deno.test("processes know their machine, exchange bytes, and end together or at once", async () => {
  const { libraries, calls } = librariesOf({ hosts: ["a", "b", "a"] });
  const processes = await Promise.all(libraries.map((own) => processesOf(own, { size: 3 }, {})));
  assertEquals(
    processes.map(({ rank, size, neighbours, place }) => [rank, size, neighbours, place]),
    [[0, 3, 2, 0], [1, 3, 1, 0], [2, 3, 2, 1]],
  );
  assertEquals(processes[0]?.implementation, "Open MPI");
  const exchanged = (partOf: (from: number, to: number) => Uint8Array) =>
    Promise.all(processes.map(({ rank, transport }) =>
      transport.exchange(
        processes.map((to) => partOf(rank, to.rank)),
        processes.map((from) => partOf(from.rank, rank).length),
      )
    ));
  // Parts of lengths of their own, some of them empty; in buffers of their own, or in one.
  const part = (from: number, to: number) => Uint8Array.from({ length: to }, () => 10 * from + to);
  const expected = [0, 1, 2].map((to) => [0, 1, 2].map((from) => part(from, to)));
  assertEquals(await exchanged(part), expected);
  const shared = [0, 1, 2].map((from) =>
    Uint8Array.of(99, 10 * from + 1, 10 * from + 2, 10 * from + 2)
  );
  const places = [[1, 1], [1, 2], [2, 4]] as const;
  assertEquals(
    await exchanged((from, to) => shared[from]?.subarray(...places[to] ?? []) ?? new Uint8Array()),
    expected,
  );
  assertEquals(
    await exchanged(() => new Uint8Array()),
    expected.map((own) => own.map(() => new Uint8Array())),
  );
  for (const { finish } of processes) finish();
  processes[1]?.abort(3);
  assertEquals(calls, [
    ...["errors 0", "errors 1", "errors 2", "finish 0", "finish 1", "finish 2", "abort 3 1"],
  ]);
});

Deno.test("MPI is called by one thread at a time: exchanges wait for those before", async () => {
  const { libraries, most } = librariesOf({ hosts: ["a"] });
  const [own] = await Promise.all(libraries.map((library) => processesOf(library, {}, {})));
  const bytes = [1, 2, 3].map((number) => Uint8Array.of(number));
  const got = await Promise.all(bytes.map((part) => own?.transport.exchange([part], [1])));
  assertEquals(got, bytes.map((part) => [part]));
  assertEquals(most(), 1);
});

Deno.test("parts of one buffer are sent from it, and others from a buffer of their own", async () => {
  const { libraries, sent } = librariesOf({ hosts: ["a", "b", "c"] });
  const processes = await Promise.all(libraries.map((own) => processesOf(own, {}, {})));
  const exchanged = async (partsOf: () => readonly Uint8Array[]) => {
    sent.length = 0;
    const parts = partsOf();
    const taken = await Promise.all(
      processes.map(({ rank, transport }) =>
        transport.exchange(parts, processes.map(() => parts[rank]?.length ?? NaN))
      ),
    );
    // Each has got its part from all.
    assertEquals(taken, parts.map((part) => parts.map(() => part)));
    return sent.map(({ buffer }) => buffer);
  };
  const [long, other, short] = [Uint8Array.of(1, 2, 3), Uint8Array.of(4), Uint8Array.of(5)];
  const none = new Uint8Array();
  for (const own of [long, short]) {
    const buffers = await exchanged(
      () => [own.subarray(0, 1), own.subarray(1), own.subarray(0, 1)],
    );
    assert(buffers.every((buffer) => buffer === own.buffer));
  }
  const apart: readonly (readonly Uint8Array[])[] = [
    ...[[long, long.subarray(1), other], [other, long, long], [none, none, none]],
    [0, 1, 2].map((i) => new Uint8Array(new SharedArrayBuffer(3)).fill(i + 1)),
  ];
  const shared = new Uint8Array(new SharedArrayBuffer(3)).fill(7);
  for (const parts of [...apart, [shared, shared, shared.subarray(2)]]) {
    const buffers = await exchanged(() => parts);
    assert(buffers.every((buffer) => parts.every((part) => part.buffer !== buffer)));
  }
});

Deno.test("what MPI cannot do is said in its words, and calls after it are made", async () => {
  const opened = (failing: Readonly<Record<string, number>>, provided = 2) => async () => {
    const [library] = librariesOf({ hosts: ["a"], failing, provided }).libraries;
    assert(library !== undefined);
    return await processesOf(library, {}, {});
  };
  const words = { init: "start", errors: "report errors", rank: "tell the rank" };
  for (
    const [name, what] of [
      ...Object.entries(words),
      ["size", "count the processes"],
      ["host", "name the machine"],
    ] as const
  ) {
    const { message } = await assertRejects(opened({ [name]: 5 }), UserError);
    assertEquals(message, `Open MPI could not ${what}: fault 5`);
  }
  await assertRejects(opened({}, 1), UserError, "lets no thread but the first call it");
  await opened({}, 3)();
  const ended = await opened({ finish: 6 })();
  assertThrows(() => ended.finish(), UserError, "Open MPI could not end: fault 6");
  const failing: Record<string, number> = {};
  const own = await opened(failing)();
  failing.exchange = 7;
  const exchange = () => own.transport.exchange([Uint8Array.of(1)], [1]);
  await assertRejects(exchange, UserError, "could not exchange bytes with the other processes");
  failing.exchange = 0;
  assertEquals(await exchange(), [Uint8Array.of(1)]);
  // MPI counts bytes in 32 bits with a sign; nothing of these is touched.
  const within = (bytes: number) =>
    own.transport.exchange([new Uint8Array(new ArrayBuffer(bytes), 0, 1)], [1]);
  assertEquals(await within(2 ** 31 - 1), [Uint8Array.of(0)]);
  await assertRejects(
    () => within(2 ** 31),
    RangeError,
    "2147483648 bytes is more than MPI counts",
  );
});

Deno.test("a launcher of another implementation is found out by its number of processes", async () => {
  const sizeOf = async (size: number | undefined, count = 1) => {
    const { libraries } = librariesOf({ hosts: Array<string>(count).fill("a") });
    const launch = size === undefined ? {} : { size };
    return (await Promise.all(libraries.map((own) => processesOf(own, launch, {})))).length;
  };
  assertEquals([await sizeOf(undefined), await sizeOf(1), await sizeOf(2, 2)], [1, 1, 2]);
  // A part of the launcher's processes.
  assertEquals(await sizeOf(3, 2), 2);
  await assertRejects(
    () => sizeOf(2),
    UserError,
    "the launcher has started 2 processes, and Open MPI sees one",
  );
});
