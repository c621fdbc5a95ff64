import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const RETRY_MS = 200;

/**
 * Runs `work` while holding the lock folder `path`; calls `onWait(pid)` once if another process holds it. The lock of a
 * process that has died is taken over.
 *
 * The folder is made under another name with its owner inside and then renamed into place, which fails while another is
 * there: nobody ever sees a lock without an owner. A dead owner's lock is renamed to a name of its own, which succeeds
 * for one taker alone.
 */
export async function withLock(path, work, onWait) {
  const id = randomUUID();
  const mine = `${path}.${id}`;
  mkdirSync(mine, { recursive: true });
  writeFileSync(join(mine, 'owner.json'), JSON.stringify({ pid: process.pid, id }));
  const taken = [];
  let waited = false;
  try {
    while (!moved(mine, path)) {
      const owner = ownerOf(path);
      if (owner && !isAlive(owner.pid)) {
        const dead = `${path}.${owner.id}.dead`;
        if (moved(path, dead)) taken.push(dead);
        continue;
      }
      if (owner && !waited) onWait(owner.pid);
      waited = true;
      await delay(RETRY_MS);
    }
    return await work();
  } finally {
    for (const folder of ownerOf(path)?.id === id ? [path, ...taken] : [mine]) {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

/** Whether the folder was moved; not where the target is a folder with something in it, or `from` has just gone. */
function moved(from, to) {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'EPERM', 'ENOENT'].includes(error.code)) return false;
    throw error;
  }
}

function ownerOf(path) {
  try {
    return JSON.parse(readFileSync(join(path, 'owner.json'), 'utf8'));
  } catch {
    return undefined; // nobody's, or released a moment ago
  }
}

/** A lock that carries our own pid was left by a process of that number before us. */
function isAlive(pid) {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
