import { describe, expect, it } from 'vitest';
import type { EngineParts } from '../../../src/engine/parts.ts';
import { mediaIdOf } from '../../../src/media/key.ts';
import { type MediaStorage, StoredWrong } from '../../../src/media/media.ts';
import { OnetakeError } from '../../../src/tasks/errors.ts';
import { START_OF_TIME } from '../../support/builders.ts';
import { createWorld, SETTINGS, type World } from '../../support/engineWorld.ts';
import { fakeInspector } from '../../support/fakeVideo.ts';
import { readAll } from '../../support/http/readAll.ts';
import { videoOf } from '../../support/recordingProvider.ts';

const offsets = ({ upstream }: World) =>
  upstream.records.filter(({ call }) => call === 'open').map(({ offset }) => offset);

async function expectWhole(world: World, id: string): Promise<void> {
  const task = await world.ends(id);
  expect(task.error).toBeUndefined();
  const video = await world.store.media(task.result?.videoId ?? '');
  const bytes = await readAll(await world.storage.read(video?.storageKey ?? ''));
  const start = world.upstream.records.find(({ call, taskId }) => call === 'start' && taskId === id);
  expect(start && bytes.equals(videoOf(start, {}))).toBe(true);
}

const LOST = { reason: 'result_lost', code: 502 };

it.each([
  ['less than what was asked for', 50_000, 200_000],
  ['more', 150_000, 400_000],
])('what was delivered is charged by its own price where that is %s', async (_what, rate, cost) => {
  const asked: unknown[] = [];
  const world = await createWorld({
    parts: () => ({
      deliveredRate(_task, delivered) {
        asked.push(delivered);
        return rate;
      },
    }),
  });
  const task = await world.ends((await world.submit()).id);
  expect(task.result?.costMicros).toBe(cost);
  expect(await world.ledger(task.id)).toEqual({
    hold: 400_000,
    capture: cost,
    ...(cost < 400_000 ? { release: 400_000 - cost } : {}),
  });
  expect(asked).toEqual([{ width: 1280, height: 720, audio: false }]);
});

describe('fetching a video', () => {
  it('goes on where a broken download ended', async () => {
    const world = await createWorld({
      behaviour: () => ({ open: [{ breakAfter: 5000 }, { breakAfter: 12_000 }, 'whole'] }),
    });
    await expectWhole(world, (await world.submit()).id);
    expect(offsets(world)).toEqual([0, 5000, 12_000]);
  });

  it('goes on from the bytes that a stopped gateway left', async () => {
    const behaviour = () => ({ open: [{ breakAfter: 5000 }, 'whole' as const] });
    const world = await createWorld({ behaviour });
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    await world.idle();
    const next = await world.restart();
    await expectWhole(next, id);
    expect(offsets(next)).toEqual([0, 5000]);
  });

  it('takes nothing from the time it is kept, however long it lasts', async () => {
    const world = await createWorld();
    const open = world.provider.hold('open');
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    await world.advance(600_000);
    open.release();
    const { result, completedAt = 0 } = await world.ends(id);
    expect((result?.expiresAt ?? 0) - completedAt).toBe(SETTINGS.retentionMs);
  });

  it('goes through errors of the upstream', async () => {
    const errors = Array.from({ length: 10 }, () => ({ error: 'upstream_unavailable' }) as const);
    const world = await createWorld({ behaviour: () => ({ open: [...errors, 'whole'] }) });
    await expectWhole(world, (await world.submit()).id);
  });

  it('begins anew where the bytes were damaged', async () => {
    const world = await createWorld({ behaviour: () => ({ open: ['damaged', 'damaged', 'whole'] }) });
    await expectWhole(world, (await world.submit()).id);
    expect(offsets(world)).toEqual([0, 0, 0]);
  });

  it('notices a truncated video whose length nobody told', async () => {
    const world = await createWorld({ behaviour: () => ({ open: [{ silentlyOnly: 8000 }, 'whole'] }) });
    await expectWhole(world, (await world.submit()).id);
    expect(offsets(world)).toEqual([0, 0]);
  });

  it('gives a video up whose bytes are damaged again and again; it costs nothing', async () => {
    const world = await createWorld({ behaviour: () => ({ open: ['damaged'] }) });
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    const fetched = world.timers.now();
    const task = await world.ends(id);
    expect(task.error).toMatchObject(LOST);
    expect(world.upstream.count('open')).toBe(3);
    // A page in place of the video, while an upstream is in trouble, has time to go away.
    expect((task.completedAt ?? 0) - fetched).toBeGreaterThanOrEqual(30_000);
    expect(await world.ledger(task.id)).toEqual({ hold: 400_000, release: 400_000 });
    expect(world.upstream.count('discard')).toBe(0);
  });

  it('asks for a new link where the old one has expired', async () => {
    const world = await createWorld({ behaviour: () => ({ firstGoodLink: 2 }) });
    await expectWhole(world, (await world.submit()).id);
    expect(world.upstream.count('open')).toBe(2);
  });

  it('asks for a new link though the stored one is past its time by far', async () => {
    let now = START_OF_TIME;
    const world = await createWorld({
      behaviour: () => ({ firstGoodLink: 2, resultExpiresAt: now + 60_000 }),
    });
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    const hour = 3_600_000;
    now += hour;
    await expectWhole(await world.restart({ downMs: hour }), id);
  });

  it('gives up once the upstream says that it no longer has the video', async () => {
    const expiry = START_OF_TIME + 3_600_000;
    const world = await createWorld({
      behaviour: () => ({ open: [{ error: 'upstream_unavailable' }], resultExpiresAt: expiry }),
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.error).toMatchObject(LOST);
    expect(task.completedAt).toBeGreaterThanOrEqual(expiry);
    expect(task.completedAt).toBeLessThan(expiry + 120_000);
  });

  it('gives up after the patience that the settings allow', async () => {
    const world = await createWorld({
      behaviour: () => ({ open: [{ error: 'upstream_unavailable' }] }),
      settings: { downloadPatienceMs: 7_200_000 },
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.error).toMatchObject(LOST);
    expect(task.error?.message).toContain('not charged');
    expect((task.completedAt ?? 0) - task.createdAt).toBeGreaterThan(7_200_000);
  });

  it('frees the place on the account: a slow download holds no submission up', async () => {
    const world = await createWorld({
      limits: { inFlight: 1 },
      behaviour: (prompt) => (prompt === 'slow' ? { open: [{ error: 'upstream_unavailable' }] } : {}),
    });
    const slow = await world.submit('slow');
    await world.reaches(slow.id, 'storing');
    await expectWhole(world, (await world.submit('quick')).id);
    expect((await world.task(slow.id)).phase).toBe('storing');
  });

  it('that cannot be done holds up no other', async () => {
    const world = await createWorld({
      settings: { downloadConcurrency: 1 },
      behaviour: (prompt) => (prompt === 'gone' ? { open: [{ error: 'result_lost' }] } : {}),
    });
    const gone = await world.submit('gone');
    await world.reaches(gone.id, 'storing');
    await expectWhole(world, (await world.submit('good')).id);
    expect((await world.task(gone.id)).phase).toBe('storing');
  });

  it('is tried again after a broken connection, though the link is past its time', async () => {
    const world = await createWorld({
      behaviour: () => ({ open: [{ breakAfter: 5000 }, 'whole'], resultExpiresAt: START_OF_TIME - 60_000 }),
    });
    await expectWhole(world, (await world.submit()).id);
  });

  it('does not ask the upstream to forget a video before it is ours', async () => {
    const phases: string[] = [];
    const world: World = await createWorld({
      provider: (provider) => ({
        ...provider,
        async discard(handle, signal) {
          const [start] = world.upstream.records;
          phases.push((await world.task(start?.taskId ?? '')).phase);
          await provider.discard?.(handle, signal);
          throw new Error('no');
        },
      }),
    });
    await expectWhole(world, (await world.submit()).id);
    await world.idle();
    expect(phases).toEqual(['succeeded']);
  });
});

describe('a media storage that is away', () => {
  const away = () => new OnetakeError('storage_unavailable', 503, 'The storage is away.');

  it('costs no video whose link expires meanwhile: what was fetched waits, and is not fetched again', async () => {
    let commits = 0;
    const world = await createWorld({
      behaviour: () => ({ resultExpiresAt: START_OF_TIME + 60_000 }),
      parts: ({ storage }) => ({
        storage: committing(storage, () => ++commits <= 10 && Promise.reject(away())),
      }),
    });
    const { id } = await world.submit();
    await expectWhole(world, id);
    expect((await world.task(id)).completedAt).toBeGreaterThan(START_OF_TIME + 60_000);
    expect(offsets(world)).toEqual([0]);
  });

  it('and keeps something else than it was given, which it will not remove, gets the video under another key', async () => {
    const world = await createWorld({
      parts: ({ storage }) => ({
        storage: committing(storage, (key) => {
          if (!key?.includes('_')) throw new StoredWrong('half of it is there');
        }),
      }),
    });
    const { id } = await world.submit();
    await expectWhole(world, id);
    expect(offsets(world)).toEqual([0]);
    const row = await world.store.media((await world.task(id)).result?.videoId ?? '');
    expect(row).toMatchObject({
      state: 'present',
      storageKey: expect.stringMatching(/^video\/\w+-1v_[0-9a-f]{8}\.mp4$/),
    });
    expect(mediaIdOf(row?.storageKey ?? '')).toBe(row?.id);
  });

  it('is not read back: the video is measured where it arrived', async () => {
    const world = await createWorld({
      parts: ({ storage }) => ({
        storage: {
          ...storage,
          read: () => Promise.reject(new Error('read back')),
          withLocalFile: () => Promise.reject(new Error('read back')),
        },
      }),
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.error).toBeUndefined();
    expect(task.result?.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it('and that a crash left the video in, is where the next process finds it', async () => {
    let crashed: () => void = () => undefined;
    const atCrash = new Promise<void>((resolve) => {
      crashed = resolve;
    });
    const world = await createWorld({
      parts: ({ store }) => ({
        store: {
          ...store,
          commit: (move, media) => {
            if (move.task.phase !== 'succeeded') return store.commit(move, media);
            crashed();
            return new Promise(() => undefined);
          },
        },
      }),
    });
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    await atCrash;
    const next = await world.crash({});
    await expectWhole(next, id);
    expect(offsets(next)).toEqual([0]);
    expect((await next.task(id)).result?.posterId).toBeDefined();
  });
});

/** A storage on whose commits of videos `before` comes first. */
function committing(storage: MediaStorage, before: (key?: string) => unknown): MediaStorage {
  return {
    ...storage,
    async write(key) {
      const write = await storage.write(key);
      if (!key.startsWith('video/')) return write;
      return {
        ...write,
        async commit(under) {
          await before(under);
          return write.commit(under);
        },
      };
    },
  };
}

describe('a poster', () => {
  it('is stored beside the video', async () => {
    const world = await createWorld();
    const task = await world.ends((await world.submit()).id);
    const poster = await world.store.media(task.result?.posterId ?? '');
    expect(poster).toMatchObject({ kind: 'poster', state: 'present', taskId: task.id });
    expect(await world.storage.stat(poster?.storageKey ?? '')).toBeDefined();
  });

  it('that cannot be made costs nobody the video', async () => {
    const inspector: EngineParts['inspector'] = {
      ...fakeInspector,
      async poster() {
        throw new Error('no frame');
      },
    };
    const world = await createWorld({ parts: () => ({ inspector }) });
    const { id } = await world.submit();
    await expectWhole(world, id);
    expect((await world.task(id)).result?.posterId).toBeUndefined();
  });
});
