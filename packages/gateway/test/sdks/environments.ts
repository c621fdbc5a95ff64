import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { onTestFinished, type TestContext } from 'vitest';
import { npmPackages, pythonWith } from '../../../../scripts/packages.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The interpreter with the Python clients and the folder with the npm packages, or why there is none. */
export type Environments = Record<'Python' | 'Node', string | Error>;

export const languageOf = (script: string) => (script.endsWith('.py') ? 'Python' : 'Node');

/** Installs the clients, the first time. */
export async function installed(): Promise<Environments> {
  const failure = (error: Error) => error;
  return {
    Python: await pythonWith(here('python/requirements.txt')).catch(failure),
    Node: await npmPackages(here('node')).catch(failure),
  };
}

/** Skips without an environment, except in CI, where that would go unnoticed. */
export function available(environment: string | Error, skip: TestContext['skip']): string {
  if (typeof environment === 'string') return environment;
  if (process.env.CI === 'true') throw environment;
  return skip(`needs python3 with venv, npm, and their package indexes: ${environment.message}`);
}

/** A line of what a script reports. */
interface ReportLine {
  readonly version?: string;
  readonly simulator?: string;
  readonly call?: string;
}

interface Run {
  readonly environment: string;
  readonly folder: string;
  readonly variables: NodeJS.ProcessEnv;
  readonly args?: readonly string[];
  /** Called when the script runs. */
  readonly started?: (stdin: NodeJS.WritableStream) => Promise<void>;
}

/** Runs a script, and returns what it reports. Rejects with its output if it fails. */
export async function runScript(
  script: string,
  { environment, folder, variables, args = [], started }: Run,
): Promise<readonly ReportLine[]> {
  const [command, scripts] =
    languageOf(script) === 'Python' ? [environment, 'python'] : [process.execPath, 'node'];
  const report = join(folder, 'report');
  const child = spawn(command, [here(`${scripts}/${script}`), ...args], {
    cwd: folder,
    // Nothing of ours is passed on: a client must find no real keys, no proxy and no settings of this machine's user.
    env: { PATH: process.env.PATH, HOME: folder, REPORT: report, PACKAGES: environment, ...variables },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await started?.(child.stdin);
  const [out, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  if (code !== 0) throw new Error(`${script} ended with ${code}\n${out}\n${errors}`);
  const lines = (await readFile(report, 'utf8')).trim().split('\n');
  return lines.map((line): ReportLine => JSON.parse(line));
}
