/** A worker that starts programs, one after the other, until it is terminated. */
const start = () => new Deno.Command(Deno.execPath(), { args: ["--version"] }).output();

await start();
const scope: { postMessage?: (message: string) => void } = globalThis;
scope.postMessage?.("started");
for (;;) await start();
