import { delimiter, dirname } from 'node:path';
import { run } from './staging.ts';
import { type PackageName, pack } from './tarball.ts';

/** Nothing of this checkout: a stranger's machine has Node and npm. */
export const STRANGERS_PATH = [dirname(process.execPath), process.env.PATH].join(delimiter);

/**
 * Packs these packages, and installs them into an empty folder, with packages of others (`ai@7.0.173`) beside them. Throws without a
 * registry.
 */
export async function installPacked(
  folder: string,
  names: readonly PackageName[],
  others: readonly string[] = [],
): Promise<void> {
  const tarballs: string[] = [];
  for (const name of names) tarballs.push(await pack(name, folder));
  const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', ...tarballs, ...others];
  await run('npm', args, { cwd: folder, env: { ...process.env, PATH: STRANGERS_PATH } });
}
