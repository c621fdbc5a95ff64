import { readdir, rm, rmdir, stat } from 'node:fs/promises';
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Lets Node keep what it compiles, in a folder of this user, so that the next start takes half the time. Without a folder that can be
 * written, Node compiles each time. `NODE_COMPILE_CACHE` names another folder, `NODE_DISABLE_COMPILE_CACHE=1` means none: Node reads both.
 */
export function keepCompiledCode(env: NodeJS.ProcessEnv): void {
  if (env.NODE_COMPILE_CACHE) return;
  const folder = ownFolder(env);
  if (folder === undefined) return;
  enableCompileCache(folder);
  // For threads and child processes.
  env.NODE_COMPILE_CACHE = folder;
}

/** How long compiled code is kept. Milliseconds. */
const KEPT_MS = 30 * 24 * 3_600_000;

/**
 * Removes what was compiled long ago: that of other versions of Node and of the gateway, which nobody would remove. What is still in use is
 * compiled again at the next start. A folder that `NODE_COMPILE_CACHE` names is left alone, because others may use it. Never rejects.
 */
export async function pruneCompiledCode(env: NodeJS.ProcessEnv, now: number): Promise<void> {
  const folder = ownFolder(env);
  if (folder === undefined || env.NODE_COMPILE_CACHE !== folder) return;
  // Another process may prune as well, or the folder may not be writable. Then the next start does it.
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  for (const name of names) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (!found || found.mtimeMs > now - KEPT_MS) continue;
    // A folder is removed once it is empty.
    await (found.isDirectory() ? rmdir(path) : rm(path)).catch(() => undefined);
  }
}

/** Not the folder for temporary files, which is Node's default: there, another user could put code in its place. */
function ownFolder(env: NodeJS.ProcessEnv): string | undefined {
  const cache = env.XDG_CACHE_HOME || cacheAtHome();
  return cache === undefined ? undefined : join(cache, 'onetake');
}

/** Undefined for a user without a home folder, such as one that only a container knows by its number. */
function cacheAtHome(): string | undefined {
  try {
    return join(homedir(), '.cache');
  } catch {
    return undefined;
  }
}
