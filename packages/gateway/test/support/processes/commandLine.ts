import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';

export const CLI = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const environment = (env: Readonly<Record<string, string>>) => ({ PATH: process.env.PATH, ...env });

/** Runs `onetake` with only these settings to its end, successful or not. */
export async function onetake(
  env: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<Ended> {
  try {
    const done = await promisify(execFile)(process.execPath, [CLI, ...args], { env: environment(env) });
    return { code: 0, ...done };
  } catch (error) {
    if (error instanceof Error && 'code' in error && typeof error.code === 'number') return error as never;
    throw error;
  }
}

/** Starts `onetake`; it is killed when the test ends, if not before. */
export function beginOnetake(
  env: Readonly<Record<string, string>>,
  ...args: readonly string[]
): { kill(): Promise<void>; readonly child: ChildProcess } {
  const child = spawn(process.execPath, [CLI, ...args], { env: environment(env), stdio: 'ignore' });
  const exited = once(child, 'exit');
  const kill = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  onTestFinished(kill);
  return { child, kill };
}
