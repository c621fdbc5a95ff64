import { cp, glob, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { hasUnreleased, NAMING, release } from '../release/release.ts';

const ROOT = join(import.meta.dirname, '../..');
const DATE = new Date('2026-12-01T12:00:00Z');
const READ = ['CHANGELOG.md', 'package-lock.json', '.changeset/*', 'packages/*/package.json', ...NAMING];

/** Of a changeset. */
const fileOf = (name: string): string => `${name}.md`;

/** A copy of what a release reads and writes, with one more change to release. */
async function copy(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'onetake-release-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for await (const file of glob(READ, { cwd: ROOT })) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await cp(join(ROOT, file), join(folder, file));
  }
  const changelog = await readFile(join(folder, 'CHANGELOG.md'), 'utf8');
  await writeFile(
    join(folder, 'CHANGELOG.md'),
    changelog.replace('## [Unreleased]\n', '## [Unreleased]\n\n- One more.\n'),
  );
  await writeFile(
    join(folder, '.changeset', fileOf('more')),
    "---\n'@onetake/client': patch\n---\n\nOne more.\n",
  );
  return folder;
}

const changesets = async (root: string): Promise<readonly string[]> =>
  (await readdir(join(root, '.changeset'))).filter((file) => file.endsWith('.md'));

const manifests = async (root: string): Promise<readonly string[]> => {
  const files: string[] = [];
  for await (const file of glob('packages/*/package.json', { cwd: root })) files.push(file);
  return ['package.json', ...files].sort();
};

it('a release gives every package and document the next version, and dates the changelog', {
  timeout: 60_000,
}, async () => {
  const root = await copy();
  const { version: before } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const version = await release(root, DATE);
  expect(version).not.toBe(before);
  for (const file of await manifests(root)) {
    const text = await readFile(join(root, file), 'utf8');
    expect([file, JSON.parse(text).version]).toEqual([file, version]);
    // The packages of this repository need each other in exactly this version.
    const needed = [...text.matchAll(/"@onetake\/[\w-]+": "(.*)"/g)].map(([, one]) => one);
    expect([file, needed.filter((one) => one !== version)]).toEqual([file, []]);
  }
  for (const file of NAMING) {
    const text = await readFile(join(root, file), 'utf8');
    expect([file, text.includes(before), text.includes(version)]).toEqual([file, false, true]);
  }
  const changelog = await readFile(join(root, 'CHANGELOG.md'), 'utf8');
  expect(changelog).toContain(`## [Unreleased]\n\n## [${version}] - 2026-12-01\n\n- One more.\n`);
  expect(hasUnreleased(changelog)).toBe(false);
  expect(await changesets(root)).toEqual([]);

  await expect(release(root, DATE)).rejects.toThrow('nothing below "Unreleased"');
});

it.each([
  ['config.json', '{ "fixed": [["@onetake/*"], ["@onetake/none"]] }', '@onetake/none'],
  [fileOf('odd'), "---\n'@onetake/none': patch\n---\n\nNothing.\n", '@onetake/none'],
])('no release is made with a mistake in .changeset/%s, which is named', async (file, text, named) => {
  const root = await copy();
  await writeFile(join(root, '.changeset', file), text);
  await expect(release(root, DATE)).rejects.toThrow(named);
});

it('what is unreleased has a changeset, which says how the version changes', async () => {
  const changelog = await readFile(join(ROOT, 'CHANGELOG.md'), 'utf8');
  expect((await changesets(ROOT)).length > 0).toBe(hasUnreleased(changelog));
});
