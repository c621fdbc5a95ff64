import { randomBytes } from 'node:crypto';
import { open, readdir, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import { anotherKey } from '../../../src/media/key.ts';
import { type MediaStorage, StoredWrong } from '../../../src/media/media.ts';
import { openBucket } from '../../../src/media/s3/client.ts';
import { createS3Storage, type S3Options } from '../../../src/media/s3/storage.ts';
import { uploadFile } from '../../../src/media/s3/upload.ts';
import { readAll } from '../../support/http/readAll.ts';
import { bucketOf, ownS3 } from '../../support/servers/bucket.ts';
import { type Fate, type FlakyServer, flakyServer } from '../../support/servers/flakyServer.ts';
import { tempFolder } from '../../support/tempFolder.ts';
import { put } from '../storageContract.ts';

const MIB = 2 ** 20;
const KEY = 'video/0123.mp4';

const isPart = ({ method, url }: IncomingMessage): boolean =>
  method === 'PUT' && /partNumber=/.test(url ?? '');

/** A storage behind a proxy that fails the requests that the test chooses. */
async function between(changes: Partial<S3Options> = {}) {
  const server = await ownS3();
  const flaky = await flakyServer(server);
  const options = bucketOf(server, { scratch: join(await tempFolder(), 'scratch'), ...changes });
  const storage = createS3Storage({ ...options, endpoint: flaky.endpoint });
  return {
    storage,
    flaky,
    options,
    direct: createS3Storage({ ...options, scratch: join(options.scratch, 'of-another') }),
  };
}

async function staged(storage: MediaStorage, bytes: Buffer) {
  const write = await storage.write(KEY);
  await write.append(Readable.from([bytes]), 0);
  return write;
}

const BYTES = Buffer.from('0123456789'.repeat(100));

/** A server that confirms an object, stores half of it, and treats its removal as `removal` says. */
const storingShort =
  (direct: MediaStorage, removal: Fate): FlakyServer['fate'] =>
  ({ method, url = '' }) => {
    if (method === 'DELETE') return removal;
    if (method !== 'PUT' || !url.includes(KEY)) return 'pass';
    const half = put(direct, KEY, BYTES.subarray(0, 500));
    return { answer: (response) => void half.then(() => response.writeHead(200).end()) };
  };

const headersOf = (requests: readonly IncomingMessage[], wanted: (request: IncomingMessage) => boolean) =>
  requests.filter(wanted).map(({ headers }) => headers);

describe('an upload', () => {
  it('of a large video is sent in parts and read back byte for byte', async () => {
    const { storage, flaky } = await between();
    const bytes = randomBytes(29 * MIB + 123);
    await (await staged(storage, bytes)).commit();
    expect(flaky.requests.filter(isPart)).toHaveLength(4);
    expect((await storage.stat(KEY))?.bytes).toBe(bytes.length);
    expect((await readAll(await storage.read(KEY))).equals(bytes)).toBe(true);
    const middle = { start: 8 * MIB - 5, end: 8 * MIB + 5 };
    expect(await readAll(await storage.read(KEY, middle))).toEqual(
      bytes.subarray(middle.start, middle.end + 1),
    );
  });

  it('leaves nothing on this machine', async () => {
    const { storage, options } = await between();
    await put(storage, KEY, 'bytes');
    expect(await readdir(join(options.scratch, 'video'))).toEqual([]);
    await storage.withLocalFile(KEY, async () => undefined);
    expect(await readdir(join(options.scratch, 'lent'))).toEqual([]);
  });

  it('is retried, part by part, if a connection breaks', async () => {
    const { storage, flaky } = await between();
    let broken = 0;
    flaky.fate = (request) => (isPart(request) && broken++ < 2 ? 'break' : 'pass');
    const bytes = randomBytes(17 * MIB);
    await (await staged(storage, bytes)).commit();
    expect(broken).toBe(5);
    expect((await readAll(await storage.read(KEY))).equals(bytes)).toBe(true);
  });

  it.each([
    ['in parts', 17 * MIB],
    ['at once', 1 * MIB],
  ])('%s that the server does not survive leaves no object, and can be retried', async (_how, size) => {
    const { storage, flaky, direct } = await between();
    const bytes = randomBytes(size);
    const write = await staged(storage, bytes);
    // The first part passes, and so does the POST that begins an upload in parts; then the server is gone.
    let puts = 0;
    flaky.fate = ({ method, url }) => {
      if (/uploads/.test(url ?? '')) return 'pass';
      return method === 'PUT' && size > 8 * MIB && ++puts === 1 ? 'pass' : 'break';
    };
    await expect(write.commit()).rejects.toMatchObject({ code: 'storage_unavailable', status: 503 });
    expect(await direct.stat(KEY)).toBeUndefined();
    expect(await Array.fromAsync(direct.list())).toEqual([]);

    flaky.fate = () => 'pass';
    expect((await write.commit()).bytes).toBe(size);
    expect((await readAll(await direct.read(KEY))).equals(bytes)).toBe(true);
  });

  it.each<[string, Fate, object]>([
    ['and reports its own error', 'pass', { cause: { name: 'AccessDenied' } }],
    [
      'and does not report the error of that if it fails too',
      { answer: (response) => response.writeHead(404).end('<Error><Code>NoSuchUpload</Code></Error>') },
      { cause: { name: 'AccessDenied' } },
    ],
  ])('in parts that is refused removes its parts, %s', async (_what, removal, told) => {
    const { storage, flaky } = await between();
    const write = await staged(storage, randomBytes(17 * MIB));
    const denied = '<Error><Code>AccessDenied</Code></Error>';
    let parts = 0;
    flaky.fate = (request) => {
      if (request.method === 'DELETE') return removal;
      if (!isPart(request) || ++parts === 1) return 'pass';
      return { answer: (response) => response.writeHead(403).end(denied) };
    };
    await expect(write.commit()).rejects.toMatchObject(told);
    const uploadOf = ({ url = '' }: IncomingMessage) =>
      new URL(url, 'http://localhost').searchParams.get('uploadId');
    const begun = new Set(flaky.requests.filter(isPart).map(uploadOf));
    expect(begun.size).toBe(1);
    const ended = flaky.requests.filter(({ method }) => method === 'DELETE').map(uploadOf);
    expect(ended).toEqual([...begun]);
  });

  it('in parts that never began has no parts to remove', async () => {
    const { storage, flaky } = await between();
    const write = await staged(storage, randomBytes(9 * MIB));
    flaky.fate = () => ({
      answer: (response) => response.writeHead(403).end('<Error><Code>AccessDenied</Code></Error>'),
    });
    await expect(write.commit()).rejects.toMatchObject({ cause: { name: 'AccessDenied' } });
    expect(flaky.requests.filter(({ method }) => method === 'DELETE')).toEqual([]);
  });

  it('that was stored incompletely is removed, and can be retried', async () => {
    const { storage, flaky, direct } = await between();
    flaky.fate = storingShort(direct, 'pass');
    const write = await staged(storage, BYTES);
    await expect(write.commit()).rejects.toMatchObject({ code: 'storage_unavailable' });
    expect(await direct.stat(KEY)).toBeUndefined();
    flaky.fate = () => 'pass';
    await write.commit();
    expect((await readAll(await direct.read(KEY))).equals(BYTES)).toBe(true);
  });

  it('that was stored incompletely and cannot be removed can be stored under another key', async () => {
    const { storage, flaky, direct } = await between();
    flaky.fate = storingShort(direct, {
      answer: (response) => response.writeHead(403).end('<Error><Code>AccessDenied</Code></Error>'),
    });
    const write = await staged(storage, BYTES);
    const error = await write.commit().catch((error: unknown) => error);
    expect(error).toBeInstanceOf(StoredWrong);
    expect(error).toMatchObject({ cause: { name: 'AccessDenied' } });
    const next = anotherKey(KEY);
    flaky.fate = () => 'pass';
    expect((await write.commit(next)).bytes).toBe(BYTES.length);
    expect((await readAll(await direct.read(next))).equals(BYTES)).toBe(true);
    expect((await storage.write(KEY)).partial).toBe(0);
  });

  /** A file of these bytes, which had another length when `stat` was called. */
  async function fileOf(bytes: Buffer, said: number) {
    const path = join(await tempFolder(), 'file');
    await writeFile(path, bytes);
    const file = await open(path);
    onTestFinished(() => file.close());
    const facts = Object.assign(await file.stat(), { size: said });
    return Object.assign(file, { stat: async () => facts });
  }

  it('of a file that became shorter is not sent', async () => {
    const { options, direct } = await between();
    const file = await fileOf(Buffer.from('0123'), 10);
    await expect(uploadFile(openBucket(options), KEY, file)).rejects.toThrow('4 of 10 bytes could be read');
    expect(await direct.stat(KEY)).toBeUndefined();
  });

  it('in parts has the bytes from the first to the length of before', async () => {
    const { options, direct } = await between();
    const bytes = randomBytes(9 * MIB);
    const file = await fileOf(Buffer.concat([bytes, Buffer.from('later')]), bytes.length);
    await file.read(Buffer.alloc(100), 0, 100);
    await uploadFile(openBucket(options), KEY, file);
    expect((await readAll(await direct.read(KEY))).equals(bytes)).toBe(true);
  });

  it('has a content type and a checksum', async () => {
    const { storage, flaky } = await between();
    await put(storage, KEY, 'bytes');
    const [headers] = headersOf(flaky.requests, ({ method }) => method === 'PUT');
    expect(headers).toMatchObject({
      'content-type': 'video/mp4',
      'x-amz-checksum-crc32': expect.any(String),
    });
    expect(headers).not.toHaveProperty('x-amz-server-side-encryption');
  });

  it('has no checksum if the server supports none', async () => {
    const { storage, flaky } = await between({ checksums: false });
    await put(storage, KEY, 'bytes');
    await (await staged(storage, randomBytes(9 * MIB))).commit();
    const uploads = headersOf(flaky.requests, ({ method }) => method === 'PUT' || method === 'POST');
    expect(uploads.length).toBeGreaterThanOrEqual(5);
    expect(uploads.flatMap(Object.keys).filter((name) => /checksum/.test(name))).toEqual([]);
  });

  it('requests the configured encryption', async () => {
    const { storage, flaky } = await between({ encryption: { algorithm: 'aws:kms', kmsKeyId: 'key-1' } });
    await put(storage, KEY, 'bytes');
    await (await staged(storage, randomBytes(9 * MIB))).commit();
    await storage.check();
    await storage.claim('this one');
    const begun = headersOf(flaky.requests, (request) => !isPart(request)).filter(
      (headers) => 'x-amz-server-side-encryption' in headers,
    );
    // The object, the multipart upload, the check and the claim.
    expect(begun).toHaveLength(4);
    for (const headers of begun) {
      expect(headers).toMatchObject({
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-aws-kms-key-id': 'key-1',
      });
    }
  });

  it('names the bucket in the path if path style is set', async () => {
    const { storage, flaky, options } = await between();
    await put(storage, KEY, 'bytes');
    expect(flaky.requests[0]?.url).toMatch(`/${options.bucket}/${options.prefix}/${KEY}`);
  });
});
