import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const TEMPORARY = fileURLToPath(new URL('../.tmp', import.meta.url));

/**
 * The Python of an environment with the packages of a requirements file, created the first time. Throws without Python or
 * without a package index.
 */
export async function pythonWith(requirements: string): Promise<string> {
  const folder = await once('python', requirements, async (unfinished) => {
    await run('python3', ['-m', 'venv', unfinished]);
    // Only what is imported is compiled, when it is imported.
    const options = ['--quiet', '--no-deps', '--no-compile', '-r', requirements];
    await run(join(unfinished, 'bin/python'), ['-m', 'pip', 'install', ...options]);
  });
  return join(folder, 'bin/python');
}

/** A folder with the npm packages that the `package-lock.json` in `from` names, installed the first time. Throws without a registry. */
export async function npmPackages(from: string): Promise<string> {
  return once('npm', join(from, 'package-lock.json'), async (unfinished) => {
    await mkdir(unfinished);
    for (const file of ['package.json', 'package-lock.json'])
      await copyFile(join(from, file), join(unfinished, file));
    await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: unfinished });
  });
}

/** The folder of this name that `fill` fills once for each content of `lock`. */
async function once(
  name: string,
  lock: string,
  fill: (unfinished: string) => Promise<void>,
): Promise<string> {
  const version = createHash('sha256')
    .update(await readFile(lock))
    .digest('hex')
    .slice(0, 12);
  const folder = join(TEMPORARY, `${name}-${version}`);
  if (existsSync(folder)) return folder;
  await mkdir(TEMPORARY, { recursive: true });
  // Renamed when it is complete. Programs in an environment name its old path, but `python -m` does not need them.
  const unfinished = `${folder}.${process.pid}`;
  try {
    await fill(unfinished);
    await rename(unfinished, folder);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return folder;
}
