import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Lets Node keep what it compiles, in a folder of this user, so that the next start takes half the time. Without a folder that can be
 * written, Node compiles each time. `NODE_COMPILE_CACHE` names another folder, `NODE_DISABLE_COMPILE_CACHE=1` means none: Node reads both.
 */
export function keepCompiledCode(env: NodeJS.ProcessEnv): void {
  if (env.NODE_COMPILE_CACHE) return;
  // Not the folder for temporary files, which is Node's default: there, another user could put code in its place.
  const cache = env.XDG_CACHE_HOME || cacheAtHome();
  if (cache === undefined) return;
  const folder = join(cache, 'onetake');
  enableCompileCache(folder);
  // For threads and child processes.
  env.NODE_COMPILE_CACHE = folder;
}

/** Undefined for a user without a home folder, such as one that only a container knows by its number. */
function cacheAtHome(): string | undefined {
  try {
    return join(homedir(), '.cache');
  } catch {
    return undefined;
  }
}
