import { execFile } from 'node:child_process';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const run = promisify(execFile);
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const PACKAGES = join(ROOT, 'packages');

type Names = Readonly<Record<string, string>>;

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: string | Names;
  readonly bin?: Names;
  readonly dependencies?: Names;
  readonly optionalDependencies?: Names;
  readonly [member: string]: unknown;
}

/** The package.json in a folder. */
export const readJson = async (folder: string) =>
  JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));

export const writeJson = (folder: string, manifest: object): Promise<void> =>
  writeFile(join(folder, 'package.json'), JSON.stringify(manifest, undefined, 2));

/** The package.json of a package of this repository, without what only the repository needs. */
export async function readManifest(name: string): Promise<Manifest> {
  const {
    private: _private,
    scripts: _scripts,
    devDependencies: _devDependencies,
    ...manifest
  } = await readJson(join(PACKAGES, name));
  return manifest;
}

/** Writes the package.json of the package that is built in `to`, and its texts. */
export async function finish(name: string, to: string, manifest: object): Promise<void> {
  // npm publishes with provenance only if the package names the repository that it is built in.
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: path } = process.env;
  const url = `git+${server}/${path}.git`;
  const repository = path ? { repository: { type: 'git', url, directory: `packages/${name}` } } : {};
  await writeJson(to, { ...manifest, ...repository });
  await copyFile(join(ROOT, 'LICENSE'), join(to, 'LICENSE'));
  await copyFile(join(PACKAGES, name, 'README.md'), join(to, 'README.md'));
}
