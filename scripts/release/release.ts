import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const CHANGESETS = fileURLToPath(new URL('../../node_modules/@changesets/cli/bin.js', import.meta.url));

/** Files that name the version, besides the package.json of each package. */
export const NAMING = [
  'package.json',
  'clients/python/src/onetake/_version.py',
  'deploy/kubernetes/kustomization.yaml',
  'deploy/onetake.service',
  'docs/clients/typescript.md',
  'docs/operations.md',
] as const;

const UNRELEASED = '## [Unreleased]\n';

/**
 * Gives all packages of the checkout in `root` the version that its changesets ask for, deletes these, and puts what is unreleased in
 * CHANGELOG.md below that version. Returns it.
 */
export async function release(root: string, date: Date): Promise<string> {
  const before = await versionOf(root);
  const changelog = await readFile(join(root, 'CHANGELOG.md'), 'utf8');
  if (!hasUnreleased(changelog)) throw new Error('CHANGELOG.md has nothing below "Unreleased" to release.');
  await changesets(root);
  const after = await versionOf(root);
  if (after === before) throw new Error('There is no changeset to release: add one with `npx changeset`.');
  // Not 10.1.0 or 0.1.0-beta, for 0.1.0.
  const whole = new RegExp(`(?<![\\d.])${RegExp.escape(before)}(?![\\d-]|\\.\\d)`, 'g');
  for (const file of NAMING) {
    const text = await readFile(join(root, file), 'utf8');
    await writeFile(join(root, file), text.replaceAll(whole, after));
  }
  const heading = `## [${after}] - ${date.toISOString().slice(0, 10)}\n`;
  await writeFile(join(root, 'CHANGELOG.md'), changelog.replace(UNRELEASED, `${UNRELEASED}\n${heading}`));
  return after;
}

/** Throws also if it goes on in spite of mistakes in its configuration. */
async function changesets(root: string): Promise<void> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [CHANGESETS, 'version'], {
    cwd: root,
  }).catch(({ stdout, stderr }) => ({ stdout: 'Found issues', stderr: `${stdout}${stderr}` }));
  if (`${stdout}${stderr}`.includes('Found issues')) throw new Error(`Changesets: ${stdout}${stderr}`);
}

/** Whether a changelog says something that is not released. */
export const hasUnreleased = (changelog: string): boolean =>
  (changelog.split(UNRELEASED)[1]?.split(/^## /m)[0] ?? '').trim() !== '';

const versionOf = async (root: string): Promise<string> =>
  JSON.parse(await readFile(join(root, 'packages/gateway/package.json'), 'utf8')).version;
