/**
 * What tests may do. Those of the commands start the same Deno as subprocesses, one of them through
 * a shell that limits the size of files, and write in temporary folders; one test starts a browser
 * where there is one, and one starts Node.
 *
 * @param folders Where they may write; anywhere unless told.
 * @returns The flags of `deno test`.
 */
export function testPermissions(folders: readonly string[] = []): string[] {
  return [
    "--no-prompt",
    "--allow-read",
    folders.length === 0 ? "--allow-write" : `--allow-write=${folders.join(",")}`,
    `--allow-run=${Deno.execPath()},sh,chromium,node`,
    // Whether a missing graphics adapter is a failure; what TypeScript's parser asks for as it loads.
    "--allow-env=CI,TSC_*,NODE_ENV,NODE_INSPECTOR_IPC,VSCODE_INSPECTOR_OPTIONS",
    // The page that a browser is served.
    "--allow-net=127.0.0.1",
  ];
}
