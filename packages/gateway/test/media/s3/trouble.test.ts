import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createS3Storage, type S3Options } from '../../../src/media/s3/storage.ts';
import { OnetakeError } from '../../../src/tasks/errors.ts';
import { readAll } from '../../support/http/readAll.ts';
import { bucketOf, ownS3 } from '../../support/servers/bucket.ts';
import { flakyServer } from '../../support/servers/flakyServer.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { tempFolder } from '../../support/tempFolder.ts';
import { put } from '../storageContract.ts';

const KEY = 'video/0123.mp4';
const UNAVAILABLE = { code: 'storage_unavailable', status: 503 };

async function storageOf(changes: Partial<S3Options>) {
  const account = { bucket: 'onetake', region: 'us-east-1', accessKeyId: 'a', secretAccessKey: 'b' };
  return createS3Storage(
    bucketOf(
      { endpoint: 'http://127.0.0.1:1', ...account },
      { scratch: join(await tempFolder(), 'scratch'), ...changes },
    ),
  );
}

/** A storage whose server always responds with one error of S3. */
async function answering(status: number, code: string) {
  const xml = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>no</Message></Error>`;
  const { origin } = await serve((request, response) => {
    request.resume();
    response.writeHead(status, { 'content-type': 'application/xml' });
    response.end(request.method === 'HEAD' ? undefined : xml);
  });
  return storageOf({ endpoint: origin });
}

describe('a problem that the operator must fix', () => {
  it.each([
    [404, 'NoSuchBucket', /ONETAKE_S3_BUCKET/],
    [403, 'AccessDenied', /permission/],
    [403, 'InvalidAccessKeyId', /ONETAKE_S3_ACCESS_KEY_ID/],
    [403, 'SignatureDoesNotMatch', /ONETAKE_S3_SECRET_ACCESS_KEY/],
    [301, 'PermanentRedirect', /ONETAKE_S3_REGION/],
    [400, 'AuthorizationHeaderMalformed', /ONETAKE_S3_REGION/],
    [403, 'RequestTimeTooSkewed', /clock/],
    [400, 'KMS.NotFoundException', /ONETAKE_S3_SSE_KMS_KEY_ID/],
    [507, 'XMinioStorageFull', /full/],
    [503, 'SlowDown', /fewer requests/],
    [500, 'InternalError', /errors of its own/],
    [418, 'Teapot', /the log/],
  ])('is named if the server responds with %i %s', async (status, code, advice) => {
    const storage = await answering(status, code);
    for (const attempt of [
      () => storage.check(),
      () => storage.read(KEY),
      () => put(storage, KEY, 'bytes'),
    ]) {
      const error = await attempt().catch((error: unknown) => error);
      expect(error).toMatchObject({
        ...UNAVAILABLE,
        message: expect.stringMatching(advice),
        details: { retryAfterSeconds: expect.any(Number) },
        cause: expect.any(Error),
      });
    }
  });

  it.each([403, 301])('is named if the response is only a %i without a body', async (status) => {
    const storage = await answering(status, '');
    await expect(storage.stat(KEY)).rejects.toMatchObject(UNAVAILABLE);
  });

  it('is not mistaken for a missing video if the bucket is gone', async () => {
    const server = await ownS3();
    const scratch = join(await tempFolder(), 'scratch');
    const storage = createS3Storage(bucketOf({ ...server, bucket: 'another' }, { scratch }));
    for (const attempt of [() => storage.stat(KEY), () => storage.read(KEY), () => storage.check()]) {
      await expect(attempt()).rejects.toMatchObject({
        ...UNAVAILABLE,
        message: expect.stringContaining('ONETAKE_S3_BUCKET'),
      });
    }
  });

  it('is reported at start if another installation uses the place', async () => {
    const server = await ownS3();
    const options = bucketOf(server, { scratch: join(await tempFolder(), 'scratch') });
    await createS3Storage(options).claim('first');
    await createS3Storage(options).claim('first');
    await expect(createS3Storage(options).claim('second')).rejects.toMatchObject({
      code: 'storage_claimed',
      message: expect.stringMatching(/ONETAKE_S3_PREFIX.*installation\.json/s),
    });
    await createS3Storage({ ...options, prefix: `${options.prefix}/below` }).claim('second');
    await createS3Storage(options).claim('first');
  });

  it('is reported at start if the owner of the place is unknown', async () => {
    const server = await ownS3();
    const options = bucketOf(server, { scratch: join(await tempFolder(), 'scratch') });
    // Only the version that wrote a claim knows its format: this one is from another version.
    await fetch(`${server.endpoint}/${server.bucket}/${options.prefix}/installation.json`, {
      method: 'PUT',
      body: '[]',
    });
    await expect(createS3Storage(options).claim('first')).rejects.toMatchObject({ code: 'storage_claimed' });
  });
});

it('a full disk of this machine is reported before an object is copied to it', async () => {
  const options = bucketOf(await ownS3(), { scratch: join(await tempFolder(), 'scratch') });
  await put(createS3Storage(options), KEY, 'bytes');
  const asked: number[] = [];
  const full = new OnetakeError('storage_unavailable', 503, 'The disk is full.');
  const space = {
    async requireRoom(bytes: number) {
      asked.push(bytes);
      throw full;
    },
    freeBytes: async () => 0,
  };
  const storage = createS3Storage({ ...options, space });
  await expect(storage.withLocalFile(KEY, async () => 'used')).rejects.toBe(full);
  await expect(storage.check()).rejects.toBe(full);
  expect(asked).toEqual([5, 0]);
});

describe('a server that stores less than it was sent', () => {
  it.each([
    ['3 bytes', 200, ['PUT', 'HEAD', 'DELETE']],
    // Whether there is a bucket is asked too.
    ['no bytes', 404, ['PUT', 'HEAD', 'HEAD', 'DELETE']],
  ])('is detected, and what it stored is removed: %s', async (what, status, methods) => {
    const { origin, requests } = await serve((request, response) => {
      request.resume();
      const facts = { 'content-length': '3', 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' };
      const isObject = request.method === 'HEAD' && request.url?.includes(KEY);
      response.writeHead(isObject ? status : 200, isObject ? facts : { etag: '"e"' }).end();
    });
    const storage = await storageOf({ endpoint: origin });
    await expect(put(storage, KEY, 'bytes')).rejects.toMatchObject({
      ...UNAVAILABLE,
      cause: expect.objectContaining({
        message: expect.stringContaining(`${what} in the bucket instead of 5`),
      }),
    });
    expect(requests.map(({ method }) => method)).toEqual(methods);
    expect((await storage.write(KEY)).partial).toBe(5);
  });
});

describe('a server that sends another range', () => {
  it.each([
    [200, {}, 'requested from byte 3 on, and was sent as a whole'],
    [206, { 'content-range': 'bytes 0-9/10' }, 'requested from byte 3 on, and was sent as bytes 0-9/10'],
    [206, { 'content-range': 'bytes 30-39/40' }, 'requested from byte 3 on, and was sent as bytes 30-39/40'],
  ])('is an error, and none of its bytes are read: %i %j', async (status, headers, words) => {
    const closed = Promise.withResolvers<void>();
    const { origin } = await serve((request, response) => {
      request.socket.once('close', closed.resolve);
      response.writeHead(status, { ...headers, 'content-length': 10 }).write('01234');
    });
    const storage = await storageOf({ endpoint: origin });
    await expect(storage.read(KEY, { start: 3, end: 5 })).rejects.toMatchObject({
      ...UNAVAILABLE,
      cause: { message: expect.stringContaining(words) },
    });
    await closed.promise;
  });

  it('is no error if there are only more bytes than requested', async () => {
    const { origin } = await serve((_request, response) => {
      response.writeHead(206, { 'content-range': 'bytes 3-9/10', 'content-length': 7 }).end('3456789');
    });
    const storage = await storageOf({ endpoint: origin });
    expect(String(await readAll(await storage.read(KEY, { start: 3, end: 5 })))).toBe('345');
  });
});

describe('an unavailable server', () => {
  it('is answered with 503 and where to look, until it is back', async () => {
    const server = await ownS3();
    const scratch = join(await tempFolder(), 'scratch');
    let time = 0;
    const storage = createS3Storage(bucketOf(server, { scratch, monotonic: () => time }));
    await put(storage, KEY, 'bytes');
    await storage.check();
    const write = await storage.write('video/other.mp4');
    await server.close();

    time += 5000;
    for (const attempt of [
      () => storage.check(),
      () => storage.stat(KEY),
      () => storage.read(KEY),
      () => storage.remove(KEY),
      () => put(storage, KEY, 'bytes'),
      () => storage.withLocalFile(KEY, async () => undefined),
      () => Array.fromAsync(storage.list()),
      () => storage.removeLeftovers(0),
    ]) {
      await expect(attempt()).rejects.toMatchObject({
        ...UNAVAILABLE,
        message: expect.stringContaining('ONETAKE_S3_ENDPOINT'),
      });
    }

    await ownS3(server.port);
    time += 5000;
    await storage.check();
    await write.append(Readable.from([Buffer.from('other')]), 0);
    expect((await write.commit()).bytes).toBe(5);
  });

  it('gets one request for any number of checks within a few seconds', async () => {
    const server = await ownS3();
    const flaky = await flakyServer(server);
    const options = bucketOf(server, { scratch: join(await tempFolder(), 'scratch') });
    let time = 0;
    const byDefault = createS3Storage({ ...options, endpoint: flaky.endpoint });
    await Promise.all(Array.from({ length: 20 }, () => byDefault.check()));
    expect(flaky.requests.splice(0)).toHaveLength(1);
    const storage = createS3Storage({ ...options, endpoint: flaky.endpoint, monotonic: () => time });
    await Promise.all(Array.from({ length: 20 }, () => storage.check()));
    time += 4999;
    await storage.check();
    expect(flaky.requests).toHaveLength(1);
    time += 1;
    await storage.check();
    expect(flaky.requests).toHaveLength(2);
  });
});

describe('a server that hangs', () => {
  async function hanging(timeouts: NonNullable<S3Options['timeouts']>) {
    const server = await ownS3();
    const flaky = await flakyServer(server);
    const options = bucketOf(server, { scratch: join(await tempFolder(), 'scratch') });
    const storage = createS3Storage({ ...options, endpoint: flaky.endpoint, timeouts });
    return { flaky, storage, direct: createS3Storage(options) };
  }

  it('delays nobody for longer than the timeouts', async () => {
    const timeouts = { connectMs: 100, answerMs: 100, idleMs: 100, checkMs: 100 };
    const { flaky, storage } = await hanging(timeouts);
    flaky.fate = () => 'hang';
    for (const attempt of [
      () => storage.check(),
      () => storage.stat(KEY),
      () => storage.read(KEY),
      () => put(storage, KEY, 'bytes'),
    ]) {
      await expect(attempt()).rejects.toMatchObject({
        ...UNAVAILABLE,
        message: expect.stringContaining('ONETAKE_S3_ENDPOINT'),
      });
    }
  });

  it('in the middle of the bytes ends the read with an error', async () => {
    const { flaky, storage, direct } = await hanging({ idleMs: 100 });
    await put(direct, KEY, '0123456789');
    flaky.fate = () => ({ thenHangAfter: 4 });
    const stream = await storage.read(KEY);
    await expect(readAll(stream)).rejects.toThrow(/sent nothing/);
  });
});
