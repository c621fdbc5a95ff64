import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { createFileOpener } from '../../src/api/ownFile.ts';
import type { MediaRow } from '../../src/store/store.ts';
import { OnetakeError } from '../../src/tasks/errors.ts';
import { fileIdOf } from '../../src/tasks/ids.ts';
import { aMediaRow } from '../support/builders.ts';

const MISSING = new OnetakeError('media_missing', 502, 'The stored file is missing.');

function world() {
  const file = aMediaRow({ kind: 'file', expiresAt: 100 });
  const rows = new Map<string, MediaRow>([[file.id, file]]);
  let read = async (): Promise<Readable> => Readable.from(['bytes']);
  const open = createFileOpener({
    store: { media: async (id) => rows.get(id) },
    media: { read: () => read() },
    clock: { now: () => 50 },
  });
  return {
    file,
    rows,
    opened: () => open(fileIdOf(file.id), file.projectId, 'image'),
    failReads: () => {
      read = async () => {
        throw MISSING;
      };
    },
  };
}

it.each<[string, (rows: Map<string, MediaRow>, file: MediaRow) => void]>([
  ['whose row is removed', (rows, file) => void rows.delete(file.id)],
  ['whose row has expired', (rows, file) => void rows.set(file.id, { ...file, expiresAt: 50 })],
])('a file %s between the look-up and the read is a 404, not a loss of the storage', async (_how, remove) => {
  const { file, rows, opened, failReads } = world();
  const found = await opened();
  remove(rows, file);
  failReads();
  await expect(found.read()).rejects.toMatchObject({
    code: 'not_found',
    status: 404,
    message: expect.stringContaining('image: there is no file'),
  });
});

it('a file that is still there but cannot be read keeps the error of the storage', async () => {
  const { opened, failReads } = world();
  const found = await opened();
  expect(Buffer.concat(await Array.fromAsync(await found.read(), Buffer.from)).toString()).toBe('bytes');
  failReads();
  await expect(found.read()).rejects.toBe(MISSING);
});
