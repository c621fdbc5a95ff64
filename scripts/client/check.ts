import { execFile } from 'node:child_process';
import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Whether the client needs more than web APIs: all of it but node.ts, without the types of Node. */
export const checkWebOnly = () =>
  problemsOf(
    resolve(ROOT, 'node_modules/.bin/tsc'),
    '-p',
    resolve(ROOT, 'packages/client/tsconfig.web.json'),
  );

/** What is wrong with a tarball: its package.json, and whether code and types resolve in Node and in bundlers. */
export async function checkTarball(tarball: string, tools: string): Promise<readonly string[]> {
  return [
    ...(await problemsOf(resolve(tools, 'publint'), '--strict', tarball)),
    // `require` of modules works from Node 20.19 on, and older resolution of TypeScript cannot read `exports` at all.
    ...(await problemsOf(
      resolve(tools, 'attw'),
      tarball,
      '--profile',
      'esm-only',
      '--no-emoji',
      '--no-color',
    )),
  ];
}

async function problemsOf(command: string, ...args: readonly string[]): Promise<readonly string[]> {
  try {
    await run(command, args);
    return [];
  } catch (error) {
    const { stdout = '', stderr = '', message = '' } = error as Partial<Record<string, string>>;
    return [`${basename(command)}: ${`${stdout}${stderr}`.trim() || message}`];
  }
}
