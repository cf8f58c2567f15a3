/**
 * The permissions of tests. Tests of the commands start the same Deno as subprocesses, one of them
 * through a shell that limits the size of files, and write in temporary folders; one test starts a
 * browser if there is one, and one starts Node. Those of the native backend compile C and call it,
 * those of several processes start MPI.
 *
 * @param folders The folders in which they may write (default: anywhere).
 * @returns The flags of `deno test`.
 */
export function testPermissions(folders: readonly string[] = []): string[] {
  return [
    "--no-prompt",
    "--allow-read",
    folders.length === 0 ? "--allow-write" : `--allow-write=${folders.join(",")}`,
    `--allow-run=${Deno.execPath()},sh,chromium,node,cc,mpirun`,
    "--allow-ffi",
    // Whether a missing graphics adapter is a failure; where the commands keep downloads and tables;
    // variables that TypeScript's parser reads as it loads, and that of YAML as it parses.
    "--allow-env=CI,HF_HUB_CACHE,HF_HOME,XDG_CACHE_HOME,HOME,USERPROFILE,TSC_*,NODE_ENV,NODE_INSPECTOR_IPC,VSCODE_INSPECTOR_OPTIONS,LOG_STREAM,LOG_TOKENS",
    // The page that a browser is served.
    "--allow-net=127.0.0.1",
  ];
}
