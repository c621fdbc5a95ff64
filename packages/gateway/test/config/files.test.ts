import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { checkConfig } from '../../src/config/config.ts';
import { filesAsRead, filesNow, keepingFiles } from '../../src/config/files.ts';
import { tempFolder } from '../support/tempFolder.ts';

const SHIPPED = new URL('../../src/providers/declared/files/', import.meta.url);

it('settings that one process has read are the same in another one, whatever became of the files', async () => {
  const dir = await tempFolder();
  const env = { ONETAKE_CONFIG: join(dir, 'onetake.yaml') };
  const own = join(dir, 'providers', 'own.yaml');
  const [shipped = ''] = (await readdir(SHIPPED)).filter((name) => name.endsWith('.yaml'));
  await writeFile(env.ONETAKE_CONFIG, 'retention_hours: 5\n');
  await mkdir(join(dir, 'providers'));
  await writeFile(own, await readFile(new URL(shipped, SHIPPED)));
  const first = keepingFiles(filesNow);
  const read = await checkConfig(env, first);
  expect(read.retentionHours).toBe(5);

  await writeFile(env.ONETAKE_CONFIG, 'retention_hours: soon\n');
  await writeFile(own, 'provider: [');
  await expect(checkConfig(env)).rejects.toThrow(/own\.yaml.*RETENTION_HOURS/s);
  // As over the connection between processes.
  const kept = structuredClone(first.kept);
  expect([...kept.folders.values()].flat().map(({ path }) => path)).toEqual([own]);
  expect(await checkConfig(env, filesAsRead(kept))).toEqual(read);
});
