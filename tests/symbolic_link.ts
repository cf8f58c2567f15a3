/**
 * Makes a symbolic link, by the shell: Deno's own function needs permission to write anywhere, and
 * the tests of a changed copy may write in the copy only.
 */
export async function symbolicLink(target: string, path: string): Promise<void> {
  const args = ["-c", 'ln -s -- "$0" "$1"', target, path];
  const { success, stderr } = await new Deno.Command("sh", { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}
