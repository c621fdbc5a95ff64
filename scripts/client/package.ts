import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CLIENT = join(ROOT, 'packages/client');

/** Builds the package as it is published, below `folder`. The checkout needs no build, so its package.json names the sources. */
export async function packClient(folder: string): Promise<string> {
  const to = join(folder, 'package');
  await mkdir(to);
  await run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', CLIENT, '--outDir', join(to, 'dist')]);
  const {
    devDependencies: _,
    exports: sources,
    ...rest
  } = JSON.parse(await readFile(join(CLIENT, 'package.json'), 'utf8')) as {
    devDependencies?: object;
    exports: Readonly<Record<string, string>>;
  };
  const exports = Object.entries(sources).map(([name, source]) => {
    const built = source.replace(/^\.\/src\/(.*)\.ts$/, './dist/$1');
    return [name, { types: `${built}.d.ts`, default: `${built}.js` }];
  });
  await writeFile(
    join(to, 'package.json'),
    JSON.stringify({ ...rest, exports: Object.fromEntries(exports) }, undefined, 2),
  );
  await copyFile(join(ROOT, 'LICENSE'), join(to, 'LICENSE'));
  await copyFile(join(CLIENT, 'README.md'), join(to, 'README.md'));
  return to;
}

/** What is wrong with a built package: whether it needs more than web APIs, its package.json, and whether code and types resolve in Node and in bundlers. */
export async function checkPackage(folder: string, tools: string): Promise<readonly string[]> {
  const checks = [
    // All but node.ts, without the types of Node.
    [join(ROOT, 'node_modules/.bin/tsc'), '-p', join(CLIENT, 'tsconfig.web.json')],
    ['publint', '--strict', folder],
    // `require` of modules works from Node 20.19 on, and older resolution of TypeScript cannot read `exports` at all.
    ['attw', '--pack', folder, '--profile', 'esm-only', '--no-emoji', '--no-color'],
  ] as const;
  const problems: string[] = [];
  for (const [name, ...args] of checks)
    await run(resolve(tools, name), args).catch(({ stdout, stderr, message }) => {
      problems.push(`${basename(name)}: ${`${stdout}${stderr}`.trim() || message}`);
    });
  return problems;
}
