import { createHash, randomBytes } from 'node:crypto';
import { appendFile, mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createDigester } from '../../../src/media/digest/digester.ts';
import { eventually } from '../../support/eventually.ts';
import { LISTS_OPEN_FILES, openFilesIn } from '../../support/openFiles.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const MIB = 2 ** 20;
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

function digester(options?: { idleMs: number }) {
  const made = createDigester(options);
  onTestFinished(() => made.close());
  return made;
}

describe('a file', () => {
  it.each([0, 1, 256 * 1024, 3 * MIB + 7])('of %d bytes is hashed', async (length) => {
    const path = join(await tempFolder(), 'file');
    const bytes = randomBytes(length);
    await writeFile(path, bytes);
    expect(await digester().digest(path)).toBe(sha256(bytes));
  });

  it('that is not there, or is a folder, is an error with the code of the system', async () => {
    const { digest } = digester();
    const folder = await tempFolder();
    await expect(digest(join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
    await mkdir(join(folder, 'sub'));
    await expect(digest(join(folder, 'sub'))).rejects.toMatchObject({ code: 'EISDIR' });
  });

  it('is hashed beside many others', async () => {
    const folder = await tempFolder();
    const { digest } = digester();
    const files = await Promise.all(
      Array.from({ length: 30 }, async (_, n) => {
        const bytes = randomBytes(100_000 * n);
        await writeFile(join(folder, String(n)), bytes);
        return bytes;
      }),
    );
    const digests = await Promise.all(files.map((_, n) => digest(join(folder, String(n)))));
    expect(digests).toEqual(files.map(sha256));
  });
});

describe('a file that is being written', () => {
  it('has the digest of all its bytes, with those that were there before', async () => {
    const path = join(await tempFolder(), 'file');
    const before = randomBytes(2 * MIB + 5);
    await writeFile(path, Buffer.concat([before, randomBytes(100)]));
    await truncate(path, before.length);
    const pieces = Array.from({ length: 40 }, () => randomBytes(150_000));
    const file = digester().follow(path);
    let length = before.length;
    file.written(length);
    for (const piece of pieces) {
      await appendFile(path, piece);
      length += piece.length;
      file.written(length);
    }
    expect(await file.finish(length)).toBe(sha256(Buffer.concat([before, ...pieces])));
  });

  it('has that of the bytes that count, and is an error if there are fewer', async () => {
    const path = join(await tempFolder(), 'file');
    const bytes = randomBytes(2 * MIB);
    await writeFile(path, bytes);
    const { follow } = digester();
    expect(await follow(path).finish(MIB + 1)).toBe(sha256(bytes.subarray(0, MIB + 1)));
    await expect(follow(path).finish(bytes.length + 1)).rejects.toThrow(`instead of ${bytes.length + 1}`);
  });

  it('fails with what went wrong while it was written, and only when it is finished', async () => {
    const file = digester().follow(join(await tempFolder(), 'none'));
    file.written(2 * MIB);
    file.written(4 * MIB);
    await expect(file.finish(4 * MIB)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it.skipIf(!LISTS_OPEN_FILES)('is closed at its end, and if it is not wanted any more', async () => {
    const folder = await tempFolder();
    const path = join(folder, 'file');
    await writeFile(path, randomBytes(2 * MIB));
    const { follow } = digester();
    const finished = follow(path);
    finished.written(MIB);
    const dropped = follow(path);
    dropped.written(MIB);
    await eventually(async () => expect(await openFilesIn(folder)).toHaveLength(2));
    await finished.finish(2 * MIB);
    await eventually(async () => expect(await openFilesIn(folder)).toHaveLength(1));
    dropped.drop();
    finished.drop();
    await eventually(async () => expect(await openFilesIn(folder)).toEqual([]));
  });
});

describe('the thread', () => {
  it('ends when it is idle, and starts again', async () => {
    const path = join(await tempFolder(), 'file');
    const bytes = randomBytes(1000);
    await writeFile(path, bytes);
    const { digest } = digester({ idleMs: 0 });
    for (let times = 0; times < 5; times++) {
      expect(await digest(path)).toBe(sha256(bytes));
      await new Promise((resolve) => setImmediate(resolve));
    }
  });

  it('lets what waits for it fail when it is closed, and what comes later', async () => {
    const path = join(await tempFolder(), 'file');
    await writeFile(path, randomBytes(50 * MIB));
    const { digest, close } = createDigester();
    const waiting = digest(path);
    const failure = expect(waiting).rejects.toThrow('closed');
    await close();
    await failure;
    await expect(digest(path)).rejects.toThrow('closed');
  });
});
