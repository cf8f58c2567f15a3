/** The files that a visitor chooses or drops: those of one folder, without its own folders. */

/** The files of a folder. */
export interface ChosenFolder {
  /** The name of the folder; "model" for files without one. */
  readonly name: string;
  readonly files: readonly File[];
}

/** The name of what has none. */
const UNNAMED = "model";

/** The files that an input of folders gives, with those in inner folders. */
export function chosenFolder(files: readonly File[]): ChosenFolder {
  const paths = files.map((file) => file.webkitRelativePath.split("/"));
  const isOuter = (path: readonly string[] | undefined) => path !== undefined && path.length <= 2;
  const name = paths.find(({ length }) => length > 1)?.[0];
  return { name: name ?? UNNAMED, files: files.filter((_, i) => isOuter(paths[i])) };
}

const isFolder = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory;
const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;

const fileOf = (entry: FileSystemFileEntry) =>
  new Promise<File>((resolve, reject) => entry.file(resolve, reject));

/** What a folder holds; a reader gives it in parts, the last of which is empty. */
async function entriesOf(folder: FileSystemDirectoryEntry): Promise<readonly FileSystemEntry[]> {
  const reader = folder.createReader();
  const entries: FileSystemEntry[] = [];
  while (true) {
    const part = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject)
    );
    if (part.length === 0) return entries;
    for (const entry of part) entries.push(entry);
  }
}

/** The files that were dropped: those of a folder, or files themselves. */
export async function droppedFolder(dropped: DataTransfer): Promise<ChosenFolder> {
  // The list is empty once the event is over.
  const loose = [...dropped.files];
  const entries = [...dropped.items].flatMap((item) => item.webkitGetAsEntry() ?? []);
  const folder = entries.find(isFolder);
  if (folder === undefined) return { name: UNNAMED, files: loose };
  const inside = await entriesOf(folder);
  return { name: folder.name, files: await Promise.all(inside.filter(isFile).map(fileOf)) };
}
