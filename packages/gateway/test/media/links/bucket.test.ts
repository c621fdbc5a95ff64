import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { type BucketLinksOptions, createBucketLinks } from '../../../src/media/links/bucket.ts';
import { createLinks } from '../../../src/media/links/links.ts';
import { createPresigner } from '../../../src/media/s3/client.ts';
import { createS3Storage } from '../../../src/media/s3/storage.ts';
import { newId } from '../../../src/tasks/ids.ts';
import { bucketOf, closeBuckets, freshBucket, NAMED_SERVER } from '../../support/servers/bucket.ts';
import { put } from '../storageContract.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** The beginning of a window of every length used here. */
const START = Math.floor(Date.now() / DAY) * DAY;
const NEVER = START + 10_000 * DAY;

afterAll(closeBuckets);

const server = {
  bucket: 'videos',
  endpoint: 'https://s3.example',
  region: 'eu-central-1',
  accessKeyId: 'key',
  secretAccessKey: 'secret',
};
const nowhere = bucketOf(server, { scratch: join('nowhere'), prefix: 'onetake', pathStyle: false });

function world(options: Partial<BucketLinksOptions> = {}, start = START) {
  const clock = { time: start, now: () => clock.time };
  const failures: unknown[] = [];
  const gateway = createLinks({
    baseUrl: () => 'https://gateway.example',
    secrets: ['secret'],
    ttlMs: options.ttlMs ?? HOUR,
    clock,
  });
  const links = createBucketLinks({
    presign: createPresigner(nowhere),
    keyOf: async (id) => `video/${id}.mp4`,
    gateway,
    ttlMs: HOUR,
    clock,
    onFailure: (error) => failures.push(error),
    ...options,
  });
  return { clock, links, gateway, failures };
}

const signedFor = (link: string) => {
  const { searchParams } = new URL(link);
  const [, y, mo, d, h, mi, s] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(searchParams.get('X-Amz-Date') ?? '')?.map(Number) ?? [];
  const from = Date.UTC(y ?? 0, (mo ?? 0) - 1, d, h, mi, s);
  const seconds = Number(searchParams.get('X-Amz-Expires'));
  return { from, seconds, until: from + seconds * 1000 };
};

describe('a link to the bucket', () => {
  it('returns the bytes to anyone who has it, completely or in part, with their content type', async () => {
    const options = await freshBucket();
    const id = newId();
    await put(createS3Storage(options), `video/${id}.mp4`, '0123456789');
    const { links } = world({ presign: createPresigner(options) }, Date.now());
    const url = await links.url(id, 'mp4', NEVER);

    const whole = await fetch(url);
    expect(whole.status).toBe(200);
    expect(whole.headers.get('content-type')).toBe('video/mp4');
    expect(whole.headers.get('content-disposition')).toBe(`inline; filename="${id}.mp4"`);
    expect(await whole.text()).toBe('0123456789');
    const part = await fetch(url, { headers: { range: 'bytes=3-5' } });
    expect([part.status, await part.text()]).toEqual([206, '345']);
  });

  // The server of the other tests checks when a link expires, but not which object it is for.
  it.skipIf(!NAMED_SERVER)('cannot be changed into a link to another video', async () => {
    const options = await freshBucket();
    const [id, other] = [newId(), newId()];
    for (const name of [id, other]) await put(createS3Storage(options), `video/${name}.mp4`, '0123456789');
    const { links } = world({ presign: createPresigner(options) }, Date.now());
    const url = await links.url(id, 'mp4', NEVER);
    expect((await fetch(url)).status).toBe(200);
    expect((await fetch(url.replace(id, other))).status).toBe(403);
  });

  it('expires', async () => {
    const options = await freshBucket();
    const key = `video/${newId()}.mp4`;
    await put(createS3Storage(options), key, '0123456789');
    const presign = createPresigner(options);
    const now = Math.floor(Date.now() / 1000) * 1000;
    const statusOf = async (until: number) =>
      (await fetch(await presign(key, { from: now - HOUR, until }))).status;
    expect(await statusOf(now + 60_000)).toBe(200);
    expect(await statusOf(now - 1000)).toBe(403);
  });

  it('stays the same for a whole window, so that responses with it match their ETag', async () => {
    const { clock, links } = world();
    const link = await links.url('abc', 'mp4', NEVER);
    clock.time = START + HOUR - 1;
    expect(await links.url('abc', 'mp4', NEVER)).toBe(link);
    clock.time = START + HOUR;
    expect(await links.url('abc', 'mp4', NEVER)).not.toBe(link);
  });

  it('is valid as long as one to the gateway, but at most for the seven days that S3 allows', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(10 * HOUR),
        fc.integer({ min: HOUR, max: 30 * DAY }),
        fc.constantFrom(HOUR, DAY, 7 * DAY, 365 * DAY),
        async (later, kept, ttlMs) => {
          const { clock, links } = world({ ttlMs });
          clock.time = START + later;
          const { from, seconds, until } = signedFor(await links.url('abc', 'mp4', clock.time + kept));
          const ttl = Math.min(ttlMs, 3.5 * DAY);
          expect(from).toBeLessThanOrEqual(clock.time);
          expect(seconds).toBeLessThanOrEqual(604_800);
          expect(until - clock.time).toBeLessThanOrEqual(Math.min(2 * ttl, kept));
          expect(until - clock.time).toBeGreaterThan(Math.min(ttl, kept) - 1000);
        },
      ),
    );
  });

  it('names its purpose, and needs no headers from the client', async () => {
    const { searchParams } = new URL(await world().links.url('abc', 'mp4', NEVER));
    expect(searchParams.get('X-Amz-SignedHeaders')).toBe('host');
    expect([...searchParams.keys()].filter((name) => /checksum/i.test(name))).toEqual([]);
  });

  it('names the bucket in its host, or in its path if so configured', async () => {
    const hosted = new URL(await world().links.url('abc', 'mp4', NEVER));
    expect([hosted.host, hosted.pathname]).toEqual(['videos.s3.example', '/onetake/video/abc.mp4']);
    const presign = createPresigner({ ...nowhere, pathStyle: true });
    const pathed = new URL(
      await world({ presign, keyOf: async (id) => `poster/${id}.jpg` }).links.url('abc', 'jpg', NEVER),
    );
    expect([pathed.host, pathed.pathname]).toEqual(['s3.example', '/videos/onetake/poster/abc.jpg']);
    expect(pathed.searchParams.get('response-content-type')).toBe('image/jpeg');
  });

  it('leads to the public endpoint of the server, if there is one', async () => {
    const presign = createPresigner({ ...nowhere, publicEndpoint: 'https://media.example' });
    expect(new URL(await world({ presign }).links.url('abc', 'mp4', NEVER)).host).toBe(
      'videos.media.example',
    );
  });

  it('looks for its object once a minute', async () => {
    const asked: string[] = [];
    const keyOf = async (id: string) => {
      asked.push(id);
      return `video/${id}_${asked.length}.mp4`;
    };
    const { links } = world({ keyOf });
    const first = await links.url('abc', 'mp4', NEVER);
    expect(await links.url('abc', 'mp4', NEVER)).toBe(first);
    await links.url('def', 'mp4', NEVER);
    expect(asked).toEqual(['abc', 'def']);
  });

  it('is replaced by one to the gateway if it would have no time', async () => {
    const { links, gateway, failures } = world();
    expect(await links.url('abc', 'mp4', START)).toBe(gateway.url('abc', 'mp4', START));
    expect(await links.url('abc', 'mp4', START + 999)).toBe(gateway.url('abc', 'mp4', START + 999));
    expect(new URL(await links.url('abc', 'mp4', START + 1000)).host).toBe('videos.s3.example');
    expect(failures).toEqual([]);
  });

  it('is replaced by one to the gateway if there is no object in the bucket', async () => {
    const { links, gateway, failures } = world({ keyOf: async () => undefined });
    expect(await links.url('abc', 'mp4', NEVER)).toBe(gateway.url('abc', 'mp4', NEVER));
    expect(failures).toEqual([]);
  });

  it('is replaced by one to the gateway if none can be signed', async () => {
    const { links, gateway, failures } = world({
      presign: () => Promise.reject(new Error('no credentials')),
    });
    expect(await links.url('abc', 'mp4', NEVER)).toBe(gateway.url('abc', 'mp4', NEVER));
    expect(failures).toEqual([new Error('no credentials')]);
  });

  it('leaves earlier links to the gateway valid', () => {
    const { links, gateway } = world();
    const { searchParams } = new URL(gateway.url('abc', 'mp4', NEVER));
    const query = Object.fromEntries(searchParams);
    expect(links.verify('abc', 'mp4', query)).toBe('ok');
    expect(links.baseUrl()).toBe('https://gateway.example');
  });
});
