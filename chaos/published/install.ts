import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { installPacked } from '../../scripts/pack/install.ts';
import { pythonWith } from '../../scripts/packages.ts';

/** Everything that the clients need, as a stranger would have installed it. */
export interface Installed {
  /** The file behind the `onetake` command. */
  readonly cli: string;
  /** The folder with the programs, beside `node_modules`. */
  readonly programs: string;
  /** Why there is no Python with its packages; undefined if there is. */
  readonly noPython: string | undefined;
  /** The interpreter that has `openai`. */
  readonly openaiPython: string;
  /** The interpreter with what our client needs, and the folder with the client, from its wheel. */
  readonly ourPython: string;
  readonly wheel: string;
}

const run = promisify(execFile);
const fromRoot = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** Packages of others that the programs import, in the versions with which they are tested elsewhere. */
const OTHERS = [
  { name: 'ai', manifest: 'packages/ai-sdk-provider/package.json' },
  { name: 'openai', manifest: 'packages/gateway/test/sdks/node/package.json' },
  { name: '@modelcontextprotocol/client', manifest: 'packages/gateway/package.json' },
];

/**
 * Packs all packages, and installs them and all clients into a folder. One that an earlier run has filled keeps its npm packages. Throws
 * without the registries.
 */
export async function installPublished(folder: string): Promise<Installed> {
  const others = OTHERS.map(async ({ name, manifest }) => {
    const { dependencies = {}, devDependencies = {} } = JSON.parse(
      await readFile(fromRoot(manifest), 'utf8'),
    );
    return `${name}@${devDependencies[name] ?? dependencies[name]}`;
  });
  if (!existsSync(join(folder, 'node_modules')))
    await installPacked(folder, ['gateway', 'client', 'ai-sdk-provider'], await Promise.all(others));
  await cp(fileURLToPath(new URL('programs', import.meta.url)), folder, { recursive: true });
  const python = await installPython(folder).catch((error: Error) => ({
    noPython: error.message,
    openaiPython: '',
    ourPython: '',
    wheel: '',
  }));
  const cli = join(folder, 'node_modules/@onetake/gateway/dist/cli/main.js');
  return { cli, programs: folder, noPython: undefined, ...python };
}

async function installPython(folder: string) {
  const [ourPython, openaiPython] = [
    await pythonWith(fromRoot('clients/python/tests/requirements.txt')),
    await pythonWith(fromRoot('packages/gateway/test/sdks/python/requirements.txt')),
  ];
  const options = { cwd: fromRoot('clients/python') };
  const [built, wheel] = [join(folder, 'built'), join(folder, 'python')];
  await run(ourPython, ['-m', 'hatchling', 'build', '-t', 'wheel', '-d', built], options);
  const wheels = (await readdir(built)).map((file) => join(built, file));
  const install = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--no-index',
    '--no-deps',
    '--upgrade',
    '--target',
    wheel,
  ];
  await run(ourPython, [...install, ...wheels], options);
  return { ourPython, openaiPython, wheel };
}
