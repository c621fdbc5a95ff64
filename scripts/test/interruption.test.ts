import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';

const pathOf = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url));

/** Starts a script with an empty folder for temporary files, and in a process group of its own. */
async function start(script: string, ...args: readonly string[]) {
  const temporary = await mkdtemp(join(tmpdir(), 'onetake-test-'));
  const child = spawn(process.execPath, [pathOf(script), ...args], {
    cwd: temporary,
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, TMPDIR: temporary },
  });
  onTestFinished(async () => {
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL');
    } catch {
      // All of it has ended.
    }
    await rm(temporary, { recursive: true, force: true });
  });
  return { child, temporary };
}

async function lineOf(child: ChildProcess, pattern: RegExp): Promise<void> {
  if (!child.stdout) throw new Error('it has no output');
  for await (const line of createInterface({ input: child.stdout })) if (pattern.test(line)) return;
  throw new Error(`it ended before it said ${pattern}`);
}

/** Whether any process of a group still runs. */
function isThere(group: number): boolean {
  try {
    return process.kill(-group, 0);
  } catch {
    return false;
  }
}

it.each([
  ['the demonstration on Ctrl-C', 'scripts/demo.ts', /^Prompt/, 'SIGINT', 130],
  ['the benchmark on SIGTERM', 'bench/query.ts', /^measuring/, 'SIGTERM', 143],
] as const)('leaves no process and no file behind: %s', async (_, script, begun, signal, code) => {
  const { child, temporary } = await start(script);
  await lineOf(child, begun);
  child.kill(signal);
  expect(await once(child, 'exit')).toEqual([code, null]);
  expect(isThere(child.pid ?? 0)).toBe(false);
  expect(await readdir(temporary)).toEqual([]);
});
