/**
 * Loads the library of MPI of the implementations that are named, opens it, and prints what it said
 * and exchanged; or why it could not.
 */
// By paths, as the whole package takes longer to load.
import { implementations, type MpiName } from "../../training/mpi/implementations.ts";
import { loadMpi } from "../../training/mpi/library.ts";
import { processesOf } from "../../training/mpi/processes.ts";
import { UserError } from "../../training/text/errors.ts";

const isName = (name: string): name is MpiName => Object.hasOwn(implementations, name);

async function opened() {
  const library = loadMpi(Deno.args.filter(isName));
  const own = await processesOf(library, {}, {});
  const side = (bytes: Uint8Array<ArrayBuffer>) => ({
    ...{ bytes, counts: Int32Array.of(2), starts: Int32Array.of(1) },
  });
  const taken = new Uint8Array(4);
  const exchange = library.exchange(side(Uint8Array.of(0, 7, 8, 9)), side(taken));
  const isLater = exchange instanceof Promise;
  const code = await exchange;
  own.finish();
  return { title: own.implementation, size: own.size, isLater, code, taken: [...taken] };
}

try {
  console.log(JSON.stringify(await opened()));
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.log(JSON.stringify(error.message));
}
