import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config/config.ts';
import { createLinks } from '../../src/media/links/links.ts';
import { openMedia } from '../../src/media/open.ts';
import { systemClock } from '../../src/time/clock.ts';
import { bucketSettings, closeBuckets, freshBucket, ownS3 } from '../support/servers/bucket.ts';
import { tempFolder } from '../support/tempFolder.ts';
import { put } from './storageContract.ts';

const KEY = 'video/0123.mp4';

afterAll(closeBuckets);

const parts = (installation = 'this one') => ({
  installation: async () => installation,
  clock: systemClock,
  log: { warn: () => undefined },
});

const gateway = createLinks({
  baseUrl: () => 'https://gateway.example',
  secrets: ['secret'],
  ttlMs: 3_600_000,
  clock: systemClock,
});

const linkOf = async (opened: Awaited<ReturnType<typeof openMedia>>) =>
  new URL(
    await opened
      .linksBeside(gateway, async (id) => `video/${id}.mp4`)
      .url('0123', 'mp4', Date.now() + 3_600_000),
  );

/** A configuration as an operator writes it. */
async function bucketConfig(more: NodeJS.ProcessEnv = {}) {
  const place = await freshBucket();
  return readConfig(
    {
      ONETAKE_DATA_DIR: await tempFolder(),
      ...bucketSettings({ ...place, prefix: `/${place.prefix}/` }),
      ONETAKE_S3_REGION: place.region,
      ...more,
    },
    () => undefined,
  );
}

describe('media', () => {
  it('is in files of the data folder if no bucket is set', async () => {
    const dir = await tempFolder();
    const opened = await openMedia(
      readConfig({ ONETAKE_DATA_DIR: dir }, () => undefined),
      parts(),
    );
    await put(opened.storage, KEY, 'bytes');
    expect(await readFile(join(dir, 'media', KEY), 'utf8')).toBe('bytes');
    expect((await linkOf(opened)).host).toBe('gateway.example');
  });

  it('is in the configured bucket, and links lead there if so configured', async () => {
    const settings = await bucketConfig({ ONETAKE_MEDIA_LINKS: 'bucket' });
    const opened = await openMedia(settings, parts());
    await put(opened.storage, KEY, 'bytes');
    const link = await linkOf(opened);
    expect(link.origin).toBe(settings.s3Endpoint);
    const plain = await openMedia({ ...settings, mediaLinks: 'gateway' }, parts());
    expect((await plain.storage.stat(KEY))?.bytes).toBe(5);
    expect((await linkOf(plain)).host).toBe('gateway.example');
  });

  it('has links to the gateway, and a line in the log, while none can be made to the bucket', async () => {
    const warnings: object[] = [];
    const log = { warn: (facts: object) => void warnings.push(facts) };
    const settings = await bucketConfig({ ONETAKE_MEDIA_LINKS: 'bucket' });
    const { linksBeside } = await openMedia(settings, { ...parts(), log });
    const err = new Error('the store does not answer');
    const links = linksBeside(gateway, () => Promise.reject(err));
    const link = await links.url('0123', 'mp4', Date.now() + 3_600_000);
    expect(new URL(link).host).toBe('gateway.example');
    expect(warnings).toEqual([{ event: 'media.sign_failed', err }]);
  });

  it('is not opened if another installation uses the place', async () => {
    const settings = await bucketConfig();
    await openMedia(settings, parts('one'));
    await expect(openMedia(settings, parts('two'))).rejects.toMatchObject({ code: 'storage_claimed' });
  });

  it('is opened although its server is unavailable, and claimed before the first write after that', async () => {
    const first = await ownS3();
    await first.close();
    const settings = await bucketConfig(bucketSettings({ ...first, credentials: first }));
    const warnings: string[] = [];
    const log = { warn: (_facts: object, message: string) => void warnings.push(message) };
    const { storage } = await openMedia(settings, { ...parts('one'), log });
    expect(warnings).toHaveLength(1);
    const unavailable = { code: 'storage_unavailable', status: 503 };
    await expect(storage.check()).rejects.toMatchObject(unavailable);
    const write = await storage.write(KEY);
    await write.append(Readable.from([Buffer.from('bytes')]), 0);
    await expect(write.commit()).rejects.toMatchObject(unavailable);

    await ownS3(first.port);
    await put(storage, KEY, 'bytes');
    await storage.check();
    await expect(openMedia(settings, parts('two'))).rejects.toMatchObject({ code: 'storage_claimed' });
  });

  it('is opened without the copies that a crash left a day ago, and with everything that is staged', async () => {
    const settings = await bucketConfig();
    const scratch = join(settings.dataDir, 'scratch');
    for (const [name, hours] of [
      ['lent/old', 25],
      ['lent/new', 23],
      ['video/staged.mp4.part', 2500],
      ['video/staged.mp4.part.note', 2500],
    ] as const) {
      const path = join(scratch, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, 'bytes');
      const time = Date.now() / 1000 - hours * 3600;
      await utimes(path, time, time);
    }
    await openMedia(settings, parts());
    expect(await readdir(join(scratch, 'lent'))).toEqual(['new']);
    expect(await readdir(join(scratch, 'video'))).toEqual(['staged.mp4.part', 'staged.mp4.part.note']);
  });

  it.each<[NodeJS.ProcessEnv, RegExp]>([
    [{ ONETAKE_MEDIA_LINKS: 'bucket' }, /ONETAKE_MEDIA_LINKS.*ONETAKE_S3_BUCKET/],
    [{ ONETAKE_S3_ACCESS_KEY_ID: 'key' }, /ONETAKE_S3_SECRET_ACCESS_KEY/],
    [{ ONETAKE_S3_SECRET_ACCESS_KEY: 'secret' }, /ONETAKE_S3_ACCESS_KEY_ID/],
    [{ ONETAKE_S3_SSE_KMS_KEY_ID: 'key' }, /ONETAKE_S3_SSE=aws:kms/],
    [{ ONETAKE_S3_SSE: 'AES256', ONETAKE_S3_SSE_KMS_KEY_ID: 'key' }, /ONETAKE_S3_SSE=aws:kms/],
  ])('is refused with %j', async (env, advice) => {
    const dataDir = await tempFolder();
    expect(() => readConfig({ ONETAKE_DATA_DIR: dataDir, ...env }, () => undefined)).toThrow(advice);
  });
});

describe('a setting of the bucket', () => {
  it.each([
    ['', 'onetake'],
    ['/', ''],
    ['/a/b/', 'a/b'],
  ])('ONETAKE_S3_PREFIX=%j is the path "%s"', (given, prefix) => {
    expect(readConfig({ ONETAKE_S3_PREFIX: given }, () => undefined).s3Prefix).toBe(prefix);
  });

  it.each(['a b', 'a//b', 'ü', '..%2f'])('ONETAKE_S3_PREFIX=%j is refused', (given) => {
    expect(() => readConfig({ ONETAKE_S3_PREFIX: given }, () => undefined)).toThrow(/ONETAKE_S3_PREFIX/);
  });
});
