/**
 * Keeps a processor busy until its standard input ends, as it does when the program that started it
 * does; see `startBeside`.
 *
 *     deno run busy.ts
 */

/** Milliseconds between two looks at the input. */
const STRETCH = 50;

/** Computes for a while, and then again after a look at the input. */
function spin(): void {
  const end = performance.now() + STRETCH;
  while (performance.now() < end);
  setTimeout(spin);
}

spin();
await Deno.stdin.read(new Uint8Array(1));
Deno.exit(0);
