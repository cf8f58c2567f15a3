/** The library of MPI as a program without its header calls it: one of C stands in for it. */
import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";

/**
 * One process by the functions of MPI. It fails where a handle is another than that of the macro, and
 * loads a part that sees its symbols only if they are visible to all.
 */
const source = `
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>
char ompi_mpi_comm_world[8], ompi_mpi_byte[8], ompi_mpi_errors_return[8];
int MPI_Init_thread(size_t argc, size_t argv, int wanted, int *provided) {
  *provided = wanted;
  return argc || argv || wanted != SERIALIZED || dlopen(PART, RTLD_NOW) == NULL;
}
int MPI_Comm_set_errhandler(size_t world, size_t handler) {
  return world != (size_t)WORLD || handler != (size_t)HANDLER;
}
int MPI_Comm_rank(size_t world, int *rank) { *rank = 0; return world != (size_t)WORLD; }
int MPI_Comm_size(size_t world, int *size) { *size = 1; return world != (size_t)WORLD; }
int MPI_Get_processor_name(char *name, int *length) { memcpy(name, "a", 2); *length = 1; return 0; }
int MPI_Error_string(int code, char *text, int *length) {
  memcpy(text, "a fault", 8);
  *length = 7;
  return 0;
}
int MPI_Abort(size_t world, int code) { return 0; }
int FINALIZE(void) { return 0; }
int MPI_Alltoallv(const char *given, const int *counts, const int *starts, size_t type, char *taken,
                  const int *taken_counts, const int *taken_starts, size_t taken_type, size_t world) {
  if (type != (size_t)BYTE || taken_type != type || world != (size_t)WORLD) return 3;
  if (counts[0] != taken_counts[0]) return 4;
  memcpy(taken + taken_starts[0], given + starts[0], counts[0]);
  return 0;
}
`;

const part = `int MPI_Comm_rank(unsigned long, int *);
int part(void) { int rank; return MPI_Comm_rank(0, &rank); }
`;

/** Compiles a library; whether that succeeded. */
async function compiled(file: string, code: string, ...args: readonly string[]): Promise<boolean> {
  await Deno.writeTextFile(`${file}.c`, code);
  const options = ["-shared", "-fPIC", "-w", ...args, "-o", file, `${file}.c`];
  return await new Deno.Command("cc", { args: options, stderr: "inherit" }).output()
    .then(({ success }) => success, () => false);
}

/** Whether there is a compiler of C. Where `CI` is set one is installed, and its absence is a failure. */
async function hasCompiler(): Promise<boolean> {
  const found = await new Deno.Command("cc", {
    args: ["--version"],
    stdout: "null",
    stderr: "null",
  })
    .output().then(({ success }) => success, () => false);
  if (found) return true;
  if (Deno.env.has("CI")) throw new Error("there is no cc");
  console.warn("the test of MPI's library is skipped: there is no cc");
  return false;
}

/** The constants of the headers of Open MPI, MPICH and the standard ABI. */
const headers: Readonly<Record<string, readonly [file: string, macros: readonly string[]]>> = {
  openmpi: ["libmpi.so.40", [
    ...["-DWORLD=ompi_mpi_comm_world", "-DBYTE=ompi_mpi_byte"],
    ...["-DHANDLER=ompi_mpi_errors_return", "-DSERIALIZED=2"],
  ]],
  mpich: ["libmpi.so.12", [
    ...["-DWORLD=0x44000000", "-DBYTE=0x4c00010d", "-DHANDLER=0x54000001", "-DSERIALIZED=2"],
  ]],
  abi: ["libmpi_abi.so.0", [
    ...["-DWORLD=0x101", "-DBYTE=0x247", "-DHANDLER=0x143", "-DSERIALIZED=2048"],
  ]],
};

Deno.test({
  name: "a library of MPI is found, has its constants, and exchanges bytes on another thread",
  ignore: Deno.build.os !== "linux" || !await hasCompiler(),
  async fn() {
    const folder = await Deno.makeTempDir();
    const opened = async (names: readonly string[], found = folder): Promise<unknown> => {
      const program = fileURLToPath(new URL("mpi_program.ts", import.meta.url));
      const run = ["run", "--no-check", "--lock=deno.lock", "--frozen", "--allow-ffi", program];
      // By a shell: Deno starts no program itself with a folder of libraries.
      const { stdout, stderr } = await new Deno.Command("sh", {
        args: ["-c", 'LD_LIBRARY_PATH="$0" exec "$@"', found, Deno.execPath(), ...run, ...names],
        cwd: fileURLToPath(new URL("../..", import.meta.url)),
      }).output();
      const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      return out === "" ? error : JSON.parse(out ?? "");
    };
    try {
      const [own, broken] = [`${folder}/own`, `${folder}/broken`];
      for (const place of [own, broken]) await Deno.mkdir(place);
      assertEquals(await compiled(`${own}/part.so`, part), true);
      const define = `-DPART="${own}/part.so"`;
      for (const [name, [file, macros]] of Object.entries(headers)) {
        const options = [...macros, define, "-DFINALIZE=MPI_Finalize"];
        assertEquals(await compiled(`${own}/${file}`, source, ...options), true, name);
      }
      const result = { size: 1, isLater: true, code: 0, taken: [0, 7, 8, 0] };
      const titles = {
        ...{ openmpi: "Open MPI", mpich: "MPICH", abi: "an MPI with the standard ABI" },
      };
      for (const [name, title] of Object.entries(titles)) {
        assertEquals(await opened([name], own), { title, ...result });
      }
      const [file, macros] = headers.abi ?? never();
      const options = [...macros, define, "-DFINALIZE=another"];
      assertEquals(await compiled(`${broken}/${file}`, source, ...options), true);
      assertEquals(
        await opened(["abi"], broken),
        "libmpi_abi.so.0 has no MPI_Finalize, so it is not an MPI with the standard ABI as it is " +
          "known here",
      );
      assertEquals(
        await opened([]),
        "there is no MPI on this machine (looked for ): install one, such as openmpi-bin of Debian, " +
          "or train in one process by the task train",
      );
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

function never(): never {
  throw new Error("there is a header");
}
