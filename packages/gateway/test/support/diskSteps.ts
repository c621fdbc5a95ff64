import fs from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { relative } from 'node:path';
import { onTestFinished } from 'vitest';

type Call = (...args: never[]) => unknown;

/**
 * Records, until the test ends, the changes of this process to the disk below `root`, in order: `write`, `truncate`, `sync`, `rename`, `rm` and `mkdir`
 * with paths relative to it. The calls are made. Power loss itself cannot be tested, but the syncs that survive it, and their order, can.
 *
 * A sync counts when it has ended, everything else when it begins: a sync that is not awaited comes too late here, as it would on a disk.
 */
export function recordDiskSteps(root: string): string[] {
  const steps: string[] = [];
  const paths = new Map<number, string>();

  const nameOf = (path: string): string => relative(root, path) || '.';
  function note(step: string): void {
    // A large file is written in pieces.
    if (steps.at(-1) !== step) steps.push(step);
  }
  function watchHandle(handle: FileHandle, path: string): FileHandle {
    const own = handle as unknown as Record<string, Call>;
    for (const call of ['write', 'writeFile', 'truncate', 'sync', 'datasync']) {
      const original = own[call]?.bind(handle) as (...args: unknown[]) => Promise<unknown>;
      own[call] = async (...args: unknown[]) => {
        const step = `${call.replace('File', '').replace('data', '')} ${nameOf(path)}`;
        if (!call.endsWith('sync')) note(step);
        const result = await original(...args);
        if (call.endsWith('sync')) note(step);
        return result;
      };
    }
    return handle;
  }

  replace(
    fs.promises,
    'open',
    (original) =>
      async (path: string, ...rest: unknown[]) =>
        watchHandle((await original(path, ...rest)) as FileHandle, path),
  );
  replace(fs, 'openSync', (original) => (path: string, ...rest: unknown[]) => {
    const file = original(path, ...rest) as number;
    paths.set(file, path);
    return file;
  });
  replace(fs, 'writeSync', (original) => (file: number, ...rest: unknown[]) => {
    note(`write ${nameOf(paths.get(file) ?? '')}`);
    return original(file, ...rest);
  });
  replace(fs, 'fsyncSync', (original) => (file: number) => {
    original(file);
    note(`sync ${nameOf(paths.get(file) ?? '')}`);
  });
  for (const [holder, suffix] of [
    [fs.promises, ''],
    [fs, 'Sync'],
  ] as const) {
    replace(holder, `rename${suffix}`, (original) => (from: string, to: string) => {
      note(`rename ${nameOf(from)} to ${nameOf(to)}`);
      return original(from, to);
    });
    for (const call of ['rm', 'mkdir']) {
      replace(holder, `${call}${suffix}`, (original) => (path: string, ...rest: unknown[]) => {
        note(`${call} ${nameOf(path)}`);
        return original(path, ...rest);
      });
    }
  }
  syncBuiltinESMExports();
  return steps;
}

/** Replaces a function with what `make` makes of it until the test ends. */
function replace(
  holder: object,
  name: string,
  make: (original: (...args: unknown[]) => unknown) => Call,
): void {
  const original: unknown = Reflect.get(holder, name);
  if (typeof original !== 'function') throw new Error(`there is no ${name} to record`);
  Reflect.set(
    holder,
    name,
    make((...args) => Reflect.apply(original, holder, args)),
  );
  onTestFinished(() => {
    Reflect.set(holder, name, original);
    syncBuiltinESMExports();
  });
}
