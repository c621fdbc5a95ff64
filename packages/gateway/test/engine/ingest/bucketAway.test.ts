import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { MediaStorage } from '../../../src/media/media.ts';
import { createS3Storage } from '../../../src/media/s3/storage.ts';
import { withClaim } from '../../../src/media/withClaim.ts';
import { START_OF_TIME } from '../../support/builders.ts';
import { createWorld, type World } from '../../support/engineWorld.ts';
import { fakeInspector } from '../../support/fakeVideo.ts';
import { readAll } from '../../support/http/readAll.ts';
import { videoOf } from '../../support/recordingProvider.ts';
import { bucketOf, closeBuckets, ownS3 } from '../../support/servers/bucket.ts';
import { flakyServer } from '../../support/servers/flakyServer.ts';
import type { Behaviour } from '../../support/servers/recordingUpstream.ts';
import { tempFolder } from '../../support/tempFolder.ts';

afterAll(closeBuckets);

const HOUR = 3_600_000;

/** The link works once, and never again. */
const ONE_LINK: Behaviour = {
  open: ['whole', { error: 'result_lost' }],
  resultExpiresAt: START_OF_TIME + 60_000,
};

/** A world whose media is in a real bucket behind a connection that can be cut. */
async function bucketWorld(behaviour: Behaviour) {
  const server = await ownS3();
  const way = await flakyServer(server);
  const scratch = join(await tempFolder(), 'scratch');
  const options = bucketOf({ ...server, endpoint: way.endpoint }, { scratch });
  const storage = (): MediaStorage => withClaim(createS3Storage(options), 'this one');
  const parts = () => ({ storage: storage() });
  const world = await createWorld({ behaviour: () => behaviour, parts });
  return {
    world,
    options,
    parts,
    storage,
    scratch,
    cut: () => {
      way.fate = () => 'break';
    },
    mend: () => {
      way.fate = () => 'pass';
    },
  };
}

const offsets = ({ upstream }: World) =>
  upstream.records.filter(({ call }) => call === 'open').map(({ offset }) => offset);

async function expectWhole(world: World, storage: MediaStorage, id: string): Promise<void> {
  const task = await world.ends(id);
  expect(task.error).toBeUndefined();
  const video = await world.store.media(task.result?.videoId ?? '');
  const poster = await world.store.media(task.result?.posterId ?? '');
  const bytes = await readAll(await storage.read(video?.storageKey ?? ''));
  const start = world.upstream.records.find(({ call, taskId }) => call === 'submit' && taskId === id);
  expect(start && bytes.equals(videoOf(start, {}))).toBe(true);
  expect(await storage.stat(poster?.storageKey ?? '')).toBeDefined();
}

describe('an unavailable bucket', () => {
  it('when a video finishes, and for longer than its link is valid, loses no video', {
    timeout: 60_000,
  }, async () => {
    const { world, storage, scratch, cut, mend } = await bucketWorld(ONE_LINK);
    cut();
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    await world.advance(5 * 60_000);
    expect((await world.task(id)).phase).toBe('storing');
    mend();
    await expectWhole(world, storage(), id);
    expect(offsets(world)).toEqual([0]);
    expect(await readdir(join(scratch, 'video'))).toEqual([]);
    expect(await readdir(join(scratch, 'poster'))).toEqual([]);
  });

  it.each(['restart', 'crash'] as const)(
    'loses no complete video that is staged here, whatever happens to the process: %s',
    { timeout: 60_000 },
    async (end) => {
      const { world, parts, storage, cut, mend } = await bucketWorld(ONE_LINK);
      cut();
      const { id } = await world.submit();
      await world.reaches(id, 'storing');
      await world.idle();
      const next = await world[end]({ parts, downMs: 72 * HOUR });
      await next.advance(60_000);
      mend();
      await expectWhole(next, storage(), id);
      expect(offsets(next)).toEqual([0]);
    },
  );

  it('does not delay a download that a restart interrupted', { timeout: 60_000 }, async () => {
    const { world, parts, storage, cut, mend } = await bucketWorld({
      open: [{ breakAfter: 5000 }, 'whole', { error: 'result_lost' }],
    });
    cut();
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    await world.idle();
    const next = await world.restart({ parts });
    await next.advance(60_000);
    expect(offsets(next)).toEqual([0, 5000]);
    mend();
    await expectWhole(next, storage(), id);
  });

  it('after a crash that followed the upload, with an expired link, loses no video', {
    timeout: 60_000,
  }, async () => {
    const { world, parts, storage, cut, mend } = await bucketWorld(ONE_LINK);
    const crashed = Promise.withResolvers<void>();
    const mortal = await world.restart({
      parts: (whole) => ({
        ...parts(),
        store: {
          ...whole.store,
          commit: (move, media) => {
            if (move.task.phase !== 'succeeded') return whole.store.commit(move, media);
            crashed.resolve();
            return new Promise(() => undefined);
          },
        },
      }),
    });
    const { id } = await mortal.submit();
    await mortal.reaches(id, 'storing');
    await crashed.promise;
    cut();
    const next = await mortal.crash({ parts, downMs: HOUR });
    await next.advance(10 * 60_000);
    expect((await next.task(id)).phase).toBe('storing');
    mend();
    await expectWhole(next, storage(), id);
  });
});

it('staged bytes that changed on disk are downloaded again', async () => {
  let commits = 0;
  let digests = 0;
  const world = await createWorld({
    parts: ({ storage }) => ({
      storage: {
        ...storage,
        async write(key) {
          const write = await storage.write(key);
          // Longer than the life of one process.
          return {
            ...write,
            commit: () => (++commits > 1 ? write.commit() : Promise.reject(new Error('no'))),
          };
        },
      },
    }),
  });
  const { id } = await world.submit();
  await world.reaches(id, 'storing');
  await world.idle();
  const next = await world.restart({
    parts: ({ storage }) => ({
      storage,
      inspector: {
        ...fakeInspector,
        digest: async (path) => (digests++ === 0 ? 'another' : fakeInspector.digest(path)),
      },
    }),
  });
  await expectWhole(next, next.storage, id);
  expect(offsets(next)).toEqual([0, 0]);
});
