import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The files that settings are read from. Each function throws if something is there that cannot be read. */
export interface SettingsFiles {
  /** Undefined if there is no such file. */
  read(path: string): string | undefined;
  /** The YAML files of a folder, in the order of their names; none if there is no such folder. */
  readFolder(folder: string): readonly FileOfFolder[];
}

interface FileOfFolder {
  readonly path: string;
  readonly text: string;
}

/** What was read, to be handed to another process. */
export interface ReadFiles {
  readonly files: ReadonlyMap<string, string | undefined>;
  readonly folders: ReadonlyMap<string, readonly FileOfFolder[]>;
}

/** Those of this machine, as they are now. */
export const filesNow: SettingsFiles = {
  read: (path) => unlessMissing(() => readFileSync(path, 'utf8')),
  readFolder(folder) {
    const names = unlessMissing(() => readdirSync(folder)) ?? [];
    return names
      .filter((name) => /\.ya?ml$/.test(name))
      .sort()
      .map((name) => readIn(join(folder, name)));
  },
};

/** Reads from `files`, and keeps what was there. */
export function keepingFiles(files: SettingsFiles): SettingsFiles & { readonly kept: ReadFiles } {
  const kept = {
    files: new Map<string, string | undefined>(),
    folders: new Map<string, readonly FileOfFolder[]>(),
  };
  return {
    kept,
    read(path) {
      const text = files.read(path);
      kept.files.set(path, text);
      return text;
    },
    readFolder(folder) {
      const found = files.readFolder(folder);
      kept.folders.set(folder, found);
      return found;
    },
  };
}

/** The files as another process has read them. */
export const filesAsRead = ({ files, folders }: ReadFiles): SettingsFiles => ({
  read: (path) => files.get(path),
  readFolder: (folder) => folders.get(folder) ?? [],
});

/** Says which file of a folder it is that cannot be read. */
function readIn(path: string): FileOfFolder {
  try {
    return { path, text: readFileSync(path, 'utf8') };
  } catch (error) {
    throw Object.assign(error instanceof Error ? error : new Error(String(error)), { path });
  }
}

function unlessMissing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
