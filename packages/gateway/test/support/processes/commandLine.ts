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

/** A running `onetake` with its output so far. */
export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves as soon as standard error has it; rejects if the process ends before. */
  says(text: RegExp): Promise<void>;
}

/**
 * Starts `onetake` in a folder with only these settings; it is killed when the test ends, if not before. Without `input`, its standard
 * input stays open.
 */
export function runOnetake(
  args: readonly string[],
  { cwd, env, input }: { cwd: string; env: Readonly<Record<string, string>>; input?: string },
): Running {
  const child = spawn(process.execPath, [CLI, ...args], { cwd, env: environment(env) });
  const [stdout, stderr]: [string[], string[]] = [[], []];
  child.stdout.setEncoding('utf8').on('data', (text: string) => stdout.push(text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => stderr.push(text));
  // A process that does not read it may have ended before.
  child.stdin.on('error', () => undefined);
  if (input !== undefined) child.stdin.end(input);
  onTestFinished(() => void child.kill('SIGKILL'));
  const closed = once(child, 'close');
  const output = () => ({ stdout: stdout.join(''), stderr: stderr.join('') });
  const ended = closed.then(([code]) => ({ code, ...output() }));
  return {
    child,
    ended,
    says: (text) =>
      new Promise((resolve, reject) => {
        const look = () => text.test(output().stderr) && resolve();
        child.stderr.on('data', look);
        void ended.then(({ stderr: said }) => reject(new Error(`it ended without saying so: ${said}`)));
        look();
      }),
  };
}
