import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { explained } from '../../../src/media/files/disk.ts';
import { createFileStorage } from '../../../src/media/files/storage.ts';
import { OnetakeError } from '../../../src/tasks/errors.ts';
import { recordDiskSteps } from '../../support/diskSteps.ts';
import { readAll } from '../../support/http/readAll.ts';
import { LISTS_OPEN_FILES, openFilesIn } from '../../support/openFiles.ts';
import { tempFolder } from '../../support/tempFolder.ts';
import { describeStorageContract, put } from '../storageContract.ts';

const KEY = 'video/0123.mp4';

describeStorageContract('files', async () => {
  const root = await tempFolder();
  return {
    storage: createFileStorage({ root }),
    reopen: async () => createFileStorage({ root }),
  };
});

describe('files', () => {
  it('are where their key says, in a folder that is created when it is needed', async () => {
    const root = join(await tempFolder(), 'data', 'media');
    await put(createFileStorage({ root }), KEY, 'bytes');
    expect(await readFile(join(root, 'video', '0123.mp4'), 'utf8')).toBe('bytes');
    expect(await readdir(join(root, 'video'))).toEqual(['0123.mp4']);
  });

  it('continue from their bytes after the process was killed while it wrote them', async () => {
    const root = await tempFolder();
    const script = fileURLToPath(new URL('writeForever.ts', import.meta.url));
    const child = spawn(process.execPath, [script, root, KEY], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    for (let lines = 0; lines < 100; ) {
      const [piece] = await once(child.stdout, 'data');
      lines += String(piece).split('\n').length - 1;
    }
    child.stdout.resume();
    child.kill('SIGKILL');
    await once(child, 'close');

    const storage = createFileStorage({ root });
    expect(await storage.stat(KEY)).toBeUndefined();
    const write = await storage.write(KEY);
    expect(write.partial).toBeGreaterThanOrEqual(99 * 1024);
    await write.append(Readable.from([Buffer.from('end')]), write.partial);
    await write.commit();
    const text = await readFile(join(root, KEY), 'utf8');
    expect(text).toBe(`${'x'.repeat(write.partial)}end`);
  });

  it('have a note that cannot be read because of the disk: that is an error', async () => {
    const root = await tempFolder();
    const write = await createFileStorage({ root }).write(KEY);
    expect(await write.readNote()).toBeUndefined();
    await mkdir(join(root, `${KEY}.part.note`));
    await expect(write.readNote()).rejects.toMatchObject({ code: 'EISDIR' });
  });

  it('have staged bytes that cannot be found because of the disk: that is an error', async () => {
    const root = await tempFolder();
    const part = join(root, `${KEY}.part`);
    await mkdir(join(root, 'video'));
    await symlink(part, part);
    await expect(createFileStorage({ root }).write(KEY)).rejects.toMatchObject({ code: 'ELOOP' });
  });

  it('read a stream no faster than the disk can write', async () => {
    const write = await createFileStorage({ root: await tempFolder() }).write(KEY);
    let ahead = 0;
    const total = 64;
    const source = Readable.from(
      (async function* () {
        for (let made = 1; made <= total; made += 1) {
          yield Buffer.alloc(2 ** 20);
          const { size } = statSync(write.path);
          ahead = Math.max(ahead, made - size / 2 ** 20);
        }
      })(),
      { highWaterMark: 1 },
    );
    await write.append(source, 0);
    expect((await write.commit()).bytes).toBe(total * 2 ** 20);
    expect(ahead).toBeLessThanOrEqual(3);
  });

  it('are checked without leaving a trace', async () => {
    const root = await tempFolder();
    await createFileStorage({ root }).check();
    expect(await readdir(root)).toEqual([]);
  });
});

it.skipIf(!LISTS_OPEN_FILES)('files are closed after use', async () => {
  const root = await tempFolder();
  const storage = createFileStorage({ root });
  const write = await storage.write(KEY);
  await write.append(Readable.from([Buffer.from('bytes')]), 0);
  await expect(write.append(Readable.from([Buffer.from('bytes')]), 9)).rejects.toThrow('5 bytes');
  await write.writeNote({ total: 5 });
  await write.commit();
  await storage.check();
  await readAll(await storage.read(KEY, { start: 0, end: -1 }));
  await storage.remove(KEY);
  expect(await openFilesIn(root)).toEqual([]);
});

describe('what survives a power loss', () => {
  it('includes a committed object: bytes are synced before the name, and the name before the call returns', async () => {
    const root = await tempFolder();
    const steps = recordDiskSteps(root);
    const write = await createFileStorage({ root }).write(KEY);
    await write.append(Readable.from([Buffer.from('bytes')]), 0);
    steps.length = 0;
    await write.commit();
    expect(steps.slice(0, 3)).toEqual([`sync ${KEY}.part`, `rename ${KEY}.part to ${KEY}`, 'sync video']);
    expect(steps.slice(3)).toEqual([`rm ${KEY}.part.note`]);
  });

  it('is not what is made again: nothing waits for the disk', async () => {
    const root = await tempFolder();
    const steps = recordDiskSteps(root);
    const write = await createFileStorage({ root }).write(KEY);
    await write.append(Readable.from([Buffer.from('bytes')]), 0);
    steps.length = 0;
    await write.commit(KEY, { synced: false });
    expect(steps).toEqual([`rename ${KEY}.part to ${KEY}`, `rm ${KEY}.part.note`]);
  });

  it('includes every folder that was created for it', async () => {
    const dir = await tempFolder();
    const root = join(dir, 'data', 'media');
    const steps = recordDiskSteps(dir);
    await createFileStorage({ root }).write(KEY);
    expect(steps).toEqual(['mkdir data/media/video', 'sync data/media', 'sync data', 'sync .']);
    steps.length = 0;
    // The folder existed already.
    await createFileStorage({ root }).write(KEY);
    expect(steps).toEqual(['mkdir data/media/video']);
  });

  it('includes a removal: no object returns after its row is gone', async () => {
    const root = await tempFolder();
    const storage = createFileStorage({ root });
    await put(storage, KEY, 'bytes');
    const steps = recordDiskSteps(root);
    await storage.remove(KEY);
    expect(steps).toEqual([`rm ${KEY}.part.note`, `rm ${KEY}.part`, `rm ${KEY}`, 'sync video']);
  });

  it('is tested by the check: a disk that accepts bytes and loses them is found', async () => {
    const root = await tempFolder();
    const steps = recordDiskSteps(root);
    await createFileStorage({ root }).check();
    expect(steps.map((step) => step.replace(/check-\S+/, 'check'))).toEqual([
      'mkdir .',
      'write .check',
      'sync .check',
      'rm .check',
    ]);
  });
});

describe('a disk with a reserve', () => {
  const MIB = 2 ** 20;
  /** A disk with this much room, and for how much it was asked. */
  function spaceOf(room: number) {
    const asked: number[] = [];
    const requireRoom = async (bytes: number) => {
      asked.push(bytes / MIB);
      if (bytes > room) throw new OnetakeError('storage_unavailable', 503, 'The disk is full.');
    };
    return { asked, space: { requireRoom, freeBytes: async () => room } };
  }
  const piecesOf = (...sizes: number[]) => Readable.from(sizes.map((mib) => Buffer.alloc(mib * MIB)));

  it('is asked for room once per 64 MiB, and for a larger piece at once', async () => {
    const { asked, space } = spaceOf(Number.POSITIVE_INFINITY);
    const write = await createFileStorage({ root: await tempFolder(), space }).write(KEY);
    await write.append(piecesOf(1, 31, 32), 0);
    expect(asked).toEqual([64]);
    await write.append(piecesOf(40, 40, 1), 0);
    expect(asked).toEqual([64, 64, 64]);
    await write.append(piecesOf(65, 1), 0);
    expect(asked).toEqual([64, 64, 64, 65, 64]);
    await write.abandon();
  });

  it('that is used up ends a write, which keeps what it has', async () => {
    const { space } = spaceOf(64 * MIB);
    const storage = createFileStorage({ root: await tempFolder(), space });
    const write = await storage.write(KEY);
    await expect(write.append(piecesOf(1, 65), 0)).rejects.toMatchObject({ code: 'storage_unavailable' });
    expect((await storage.write(KEY)).partial).toBe(MIB);
    await expect(
      createFileStorage({ root: await tempFolder(), ...spaceOf(0) }).check(),
    ).rejects.toMatchObject({
      code: 'storage_unavailable',
    });
  });
});

describe('a disk that cannot be written to', () => {
  it('is reported with what to do, and without its path, if a file is in the way', async () => {
    const root = join(await tempFolder(), 'media');
    await writeFile(root, '');
    const storage = createFileStorage({ root });
    for (const attempt of [() => storage.check(), () => storage.write(KEY)]) {
      const error = await attempt().catch((error: unknown) => error);
      expect(error).toMatchObject({
        code: 'storage_unavailable',
        status: 503,
        message: expect.stringContaining('ONETAKE_DATA_DIR'),
      });
      expect(String(error)).not.toContain(root);
    }
  });

  it.skipIf(!existsSync('/dev/full'))('is reported with what to do if it is full', async () => {
    await expect(explained(() => writeFile('/dev/full', 'x'))).rejects.toThrow(
      /is full; free space on the disk of ONETAKE_DATA_DIR/,
    );
  });

  it('is not blamed for an error of the stream, whatever that error looks like', async () => {
    const write = await createFileStorage({ root: await tempFolder() }).write(KEY);
    const refused = Object.assign(new Error('connect EACCES'), { code: 'EACCES' });
    const broken = new Readable({ read: () => broken.destroy(refused) });
    await expect(write.append(broken, 0)).rejects.toBe(refused);
  });

  it.skipIf(process.getuid?.() === 0)('is reported with what to do if a permission is missing', async () => {
    const root = await tempFolder();
    await mkdir(join(root, 'video'));
    await chmod(join(root, 'video'), 0o500);
    await chmod(root, 0o500);
    onTestFinished(() => chmod(root, 0o700));
    onTestFinished(() => chmod(join(root, 'video'), 0o700));
    const storage = createFileStorage({ root });
    await expect(storage.check()).rejects.toThrow(/write access to ONETAKE_DATA_DIR/);
    const write = await storage.write(KEY);
    const appending = write.append(Readable.from([Buffer.from('bytes')]), 0);
    await expect(appending).rejects.toThrow(/write access to ONETAKE_DATA_DIR/);
  });
});
