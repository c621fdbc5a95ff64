import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startS3 } from '../../../../../scripts/servers/s3.ts';
import { createFileStorage } from '../../../src/media/files/storage.ts';
import type { MediaStorage } from '../../../src/media/media.ts';
import { createS3Storage } from '../../../src/media/s3/storage.ts';
import { eventually } from '../../support/eventually.ts';
import { type Json, startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { readAll } from '../../support/http/readAll.ts';
import { bucketOf, bucketSettings } from '../../support/servers/bucket.ts';

/** A gateway, and its storage as seen by somebody who changes its files. */
interface Damageable {
  readonly gateway: TestGateway;
  readonly storage: MediaStorage;
  end(): Promise<void>;
}

async function onFiles(): Promise<Damageable> {
  const gateway = await startTestGateway();
  const storage = createFileStorage({ root: join(gateway.dataDir, 'media') });
  return { gateway, storage, end: () => gateway.end() };
}

async function onBucket(): Promise<Damageable> {
  const s3 = await startS3();
  const gateway = await startTestGateway(bucketSettings({ ...s3, credentials: s3 }));
  const scratch = join(gateway.dataDir, 'another');
  const storage = createS3Storage(bucketOf(s3, { prefix: 'onetake', scratch }));
  return {
    gateway,
    storage,
    async end() {
      await gateway.end();
      await s3.close();
    },
  };
}

const flipped = (bytes: Buffer): Buffer => {
  const other = Buffer.from(bytes);
  const at = Math.floor(bytes.length / 2);
  other.writeUInt8(other.readUInt8(at) ^ 1, at);
  return other;
};
const half = (bytes: Buffer): Buffer => bytes.subarray(0, bytes.length / 2);

describe.each([
  ['files', onFiles],
  ['a bucket', onBucket],
])('a video in %s', (_where, open) => {
  let world: Damageable;
  beforeAll(async () => {
    world = await open();
  }, 60_000);
  afterAll(() => world.end());

  /** A finished task whose stored bytes were changed by `change`. */
  async function damagedBy(change: (bytes: Buffer) => Buffer): Promise<Json> {
    const { gateway, storage } = world;
    const task = await gateway.finished();
    const key = `video/${task.task_id.slice('video_'.length)}-1v.mp4`;
    const bytes = await readAll(await storage.read(key));
    const write = await storage.write(key);
    await write.append(Readable.from([change(bytes)]), 0);
    await write.commit();
    return task;
  }

  const readers: [string, (task: Json) => Promise<Response>][] = [
    ['the content', ({ task_id }) => world.gateway.call(`/v1/video/generations/${task_id}/content`)],
    [
      'the base64 download',
      ({ task_id }) => world.gateway.call(`/v1/video/generations/download?id=${task_id}`),
    ],
    ['the signed link', ({ url }) => fetch(url)],
  ];
  const content = ({ task_id }: Json, init: RequestInit) =>
    world.gateway.call(`/v1/video/generations/${task_id}/content`, init);
  const isDamaged = { error: { code: 502, reason: 'media_damaged', message: expect.any(String) } };

  /** Once the damage is known, every client gets an error before any byte. */
  async function expectTold(task: Json): Promise<void> {
    await eventually(async () => {
      for (const [, read] of readers) {
        const response = await read(task);
        expect(response.status).toBe(502);
        expect(await response.json()).toMatchObject(isDamaged);
        expect(response.headers.get('etag')).toBeNull();
      }
      const head = await content(task, { method: 'HEAD' });
      expect([head.status, head.headers.get('etag')]).toEqual([502, null]);
      const range = await content(task, { headers: { range: 'bytes=0-9' } });
      expect(range.status).toBe(502);
    });
    // Clients are answered before the damage is stored, and told of.
    await eventually(() => {
      const lines = world.gateway.log.map((line) => JSON.parse(line));
      const told = lines.filter(({ event, task: id }) => event === 'media.damaged' && id === task.task_id);
      expect(told).toHaveLength(1);
    });
    const metrics = await (await world.gateway.call('/metrics')).text();
    expect(metrics).toMatch(/^onetake_media_damaged_total [1-9]/m);
  }

  it.each(readers)('that was cut in half is answered with 502 for %s, also later', async (_what, read) => {
    const task = await damagedBy(half);
    const response = await read(task);
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject(isDamaged);
    await expectTold(task);
  });

  it.each(readers)('with one changed byte is never delivered completely as %s', async (_what, read) => {
    const task = await damagedBy(flipped);
    const response = await read(task);
    // Cut off in the middle, unless it is so short that the damage was known before anything was sent.
    if (response.status === 502) await response.json();
    else await expect(response.arrayBuffer()).rejects.toThrow();
    await expectTold(task);
  });

  it('that was cut in half has neither HEAD nor ranges', async () => {
    const task = await damagedBy(half);
    expect((await content(task, { method: 'HEAD' })).status).toBe(502);
    expect((await content(task, { headers: { range: 'bytes=0-9' } })).status).toBe(502);
    await expectTold(task);
  });

  it('with one changed byte is found by a client that reads a part of it', async () => {
    const task = await damagedBy(flipped);
    const part = await content(task, { headers: { range: 'bytes=0-9' } });
    expect(part.status).toBe(206);
    await part.arrayBuffer();
    await expectTold(task);
  });

  it('that is intact can be read any number of times', async () => {
    const task = await damagedBy((bytes) => bytes);
    for (let times = 0; times < 3; times++) {
      for (const [, read] of readers) {
        const response = await read(task);
        expect(response.status).toBe(200);
        await response.arrayBuffer();
      }
      const part = await content(task, { headers: { range: 'bytes=5-14' } });
      expect((await part.arrayBuffer()).byteLength).toBe(10);
    }
  });

  it('that is missing before its retention ends gets another error than an expired one', async () => {
    const task = await world.gateway.finished();
    await world.storage.remove(`video/${task.task_id.slice('video_'.length)}-1v.mp4`);
    const response = await content(task, {});
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ error: { code: 502, reason: 'media_missing' } });
  });
});
