/** The commit of a checkout, as git lays it out. */
import { assertEquals } from "@std/assert";
import { commitOf } from "../../../cli/study/commit.ts";
import { inFolder } from "../command.ts";

inFolder("the commit is that of the branch, of the detached head, or none", async (folder) => {
  const git = `${folder}/.git`;
  const write = (path: string, text: string) => Deno.writeTextFile(`${git}/${path}`, `${text}\n`);
  assertEquals(await commitOf(folder), undefined);
  await Deno.mkdir(`${git}/refs/heads`, { recursive: true });
  await write("HEAD", "1234");
  assertEquals(await commitOf(folder), "1234");
  await write("HEAD", "ref: refs/heads/main");
  assertEquals(await commitOf(folder), undefined);
  await write("packed-refs", "# pack-refs\naaaa refs/heads/other\nbbbb refs/heads/main");
  assertEquals(await commitOf(folder), "bbbb");
  // A branch that has moved on since it was packed.
  await write("refs/heads/main", "cccc");
  assertEquals(await commitOf(folder), "cccc");

  const [worktree, own] = [`${folder}/tree`, `${git}/worktrees/tree`];
  await Deno.mkdir(worktree);
  await Deno.mkdir(own, { recursive: true });
  await Deno.writeTextFile(`${worktree}/.git`, `gitdir: ${own}\n`);
  await write("worktrees/tree/commondir", "../..");
  await write("worktrees/tree/HEAD", "ref: refs/heads/other");
  assertEquals(await commitOf(worktree), "aaaa");
  await write("worktrees/tree/HEAD", "dddd");
  assertEquals(await commitOf(worktree), "dddd");
});
