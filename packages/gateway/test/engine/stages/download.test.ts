import { once } from 'node:events';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { EngineParts } from '../../../src/engine/parts.ts';
import { mediaIdOf } from '../../../src/media/key.ts';
import { type MediaStorage, StoredWrong } from '../../../src/media/media.ts';
import { NativeCrash, NativeJobError } from '../../../src/native/errors.ts';
import { UpstreamError } from '../../../src/providers/provider.ts';
import { OnetakeError } from '../../../src/tasks/errors.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { START_OF_TIME } from '../../support/builders.ts';
import { SETTINGS } from '../../support/engineParts.ts';
import { createWorld, type World } from '../../support/engineWorld.ts';
import { eventually } from '../../support/eventually.ts';
import { fakeInspector } from '../../support/fakeVideo.ts';
import { readAll } from '../../support/http/readAll.ts';
import { createManualCluster } from '../../support/manualCluster.ts';
import { videoOf } from '../../support/recordingProvider.ts';

const offsets = ({ upstream }: World) =>
  upstream.records.filter(({ call }) => call === 'open').map(({ offset }) => offset);

async function expectWhole(world: World, id: string): Promise<void> {
  const task = await world.ends(id);
  expect(task.error).toBeUndefined();
  const video = await world.store.media(task.result?.videoId ?? '');
  const bytes = await readAll(await world.storage.read(video?.storageKey ?? ''));
  const start = world.upstream.records.find(({ call, taskId }) => call === 'submit' && taskId === id);
  expect(start && bytes.equals(videoOf(start, {}))).toBe(true);
}

const LOST = { reason: 'result_lost', code: 502 };

it.each([
  ['less than what was asked for', 50_000, 200_000],
  ['more', 150_000, 400_000],
])('the delivered format is charged at its own price if that is %s', async (_what, microsPerSecond, cost) => {
  const asked: unknown[] = [];
  const world = await createWorld({
    parts: () => ({
      deliveredRate(_task, delivered) {
        asked.push(delivered);
        return { microsPerSecond };
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
  expect(asked).toEqual([{ width: 1280, height: 720, audio: false, seconds: 4 }]);
});

describe('downloading a video', () => {
  it('continues after a broken download', async () => {
    const world = await createWorld({
      behaviour: () => ({ open: [{ breakAfter: 5000 }, { breakAfter: 12_000 }, 'whole'] }),
    });
    await expectWhole(world, (await world.submit()).id);
    expect(offsets(world)).toEqual([0, 5000, 12_000]);
  });

  it('continues from the bytes that a stopped gateway left', async () => {
    const behaviour = () => ({ open: [{ breakAfter: 5000 }, 'whole' as const] });
    const world = await createWorld({ behaviour });
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    await world.idle();
    const next = await world.restart();
    await expectWhole(next, id);
    expect(offsets(next)).toEqual([0, 5000]);
  });

  it('does not shorten its retention, however long it takes', async () => {
    const world = await createWorld();
    const open = world.provider.hold('open');
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    await world.advance(600_000);
    open.release();
    const { result, completedAt = 0 } = await world.ends(id);
    expect((result?.expiresAt ?? 0) - completedAt).toBe(SETTINGS.retentionMs);
  });

  it('whose server does not answer leaves its place to others after the timeout of a call, and is tried again', async () => {
    const world = await createWorld({
      settings: { downloadConcurrency: 1 },
      provider: (provider) => ({
        ...provider,
        async open(handle, result, offset, signal) {
          if (isDeaf && handle.upstreamId === 'one-1')
            await once(signal, 'abort').then(() => signal.throwIfAborted());
          return provider.open(handle, result, offset, signal);
        },
      }),
    });
    let isDeaf = true;
    const deaf = await world.submit();
    await world.reaches(deaf.id, 'storing');
    const submittedAt = world.timers.trueTime();
    await expectWhole(world, (await world.submit()).id);
    expect(world.timers.trueTime() - submittedAt).toBeLessThan(SETTINGS.callTimeoutMs + 30_000);
    await world.advance(600_000);
    expect((await world.task(deaf.id)).phase).toBe('storing');
    isDeaf = false;
    await expectWhole(world, deaf.id);
  });

  it('survives errors of the upstream', async () => {
    const errors = Array.from({ length: 10 }, () => ({ error: 'upstream_unavailable' }) as const);
    const world = await createWorld({ behaviour: () => ({ open: [...errors, 'whole'] }) });
    await expectWhole(world, (await world.submit()).id);
  });

  it('starts again if the bytes are damaged', async () => {
    const world = await createWorld({ behaviour: () => ({ open: ['damaged', 'damaged', 'whole'] }) });
    await expectWhole(world, (await world.submit()).id);
    expect(offsets(world)).toEqual([0, 0, 0]);
  });

  it('notices a truncated video of unknown length', async () => {
    const world = await createWorld({ behaviour: () => ({ open: [{ silentlyOnly: 8000 }, 'whole'] }) });
    await expectWhole(world, (await world.submit()).id);
    expect(offsets(world)).toEqual([0, 0]);
  });

  it('gives up a video whose bytes are damaged again and again, without a charge', async () => {
    const world = await createWorld({ behaviour: () => ({ open: ['damaged'] }) });
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    const fetched = world.timers.now();
    const task = await world.ends(id);
    expect(task.error).toMatchObject(LOST);
    expect(world.upstream.count('open')).toBe(3);
    // A web page instead of the video, during problems of the upstream, has time to disappear.
    expect((task.completedAt ?? 0) - fetched).toBeGreaterThanOrEqual(30_000);
    expect(await world.ledger(task.id)).toEqual({ hold: 400_000, release: 400_000 });
    expect(world.upstream.count('discard')).toBe(0);
  });

  it('requests a new link if the old one has expired', async () => {
    const world = await createWorld({ behaviour: () => ({ firstGoodLink: 2 }) });
    await expectWhole(world, (await world.submit()).id);
    expect(world.upstream.count('open')).toBe(2);
  });

  it('continues with the old link if there is no new one', async () => {
    const world = await createWorld({
      behaviour: () => ({
        answers: ['succeeded', { error: 'upstream_unavailable' }, 'in_progress'],
        open: [{ error: 'upstream_unavailable' }, { error: 'upstream_unavailable' }, 'whole'],
      }),
    });
    const task = await world.submit();
    await expectWhole(world, task.id);
    expect(world.upstream.count('poll', task.id)).toBe(3);
    expect(world.upstream.count('open', task.id)).toBe(3);
  });

  it('requests a new link although the stored one expired long ago', async () => {
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

  it('gives up after the configured patience', async () => {
    const world = await createWorld({
      behaviour: () => ({ open: [{ error: 'upstream_unavailable' }] }),
      settings: { downloadPatienceMs: 7_200_000 },
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.error).toMatchObject(LOST);
    expect(task.error?.message).toContain('not charged');
    expect((task.completedAt ?? 0) - task.createdAt).toBeGreaterThan(7_200_000);
    expect((task.completedAt ?? 0) - task.createdAt).toBeLessThan(7_200_000 + 180_000);
  });

  it('releases the place on the account: a slow download delays no submission', async () => {
    const world = await createWorld({
      limits: { inFlight: 1 },
      behaviour: (prompt) => (prompt === 'slow' ? { open: [{ error: 'upstream_unavailable' }] } : {}),
    });
    const slow = await world.submit('slow');
    await world.reaches(slow.id, 'storing');
    await expectWhole(world, (await world.submit('quick')).id);
    expect((await world.task(slow.id)).phase).toBe('storing');
  });

  it('that fails delays no other download', async () => {
    const world = await createWorld({
      settings: { downloadConcurrency: 1 },
      behaviour: (prompt) => (prompt === 'gone' ? { open: [{ error: 'result_lost' }] } : {}),
    });
    const gone = await world.submit('gone');
    await world.reaches(gone.id, 'storing');
    await expectWhole(world, (await world.submit('good')).id);
    expect((await world.task(gone.id)).phase).toBe('storing');
  });

  it('is retried after a broken connection, although the link has expired', async () => {
    const world = await createWorld({
      behaviour: () => ({ open: [{ breakAfter: 5000 }, 'whole'], resultExpiresAt: START_OF_TIME - 60_000 }),
    });
    await expectWhole(world, (await world.submit()).id);
  });

  it('does not ask the upstream to delete a video before it is stored here', async () => {
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

describe('an unavailable media storage', () => {
  const away = () => new OnetakeError('storage_unavailable', 503, 'The storage is away.');

  it('loses no video whose link expires in the meantime: the download waits and is not repeated', async () => {
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

  it('that keeps wrong bytes and cannot remove them gets the video under another key', async () => {
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

  it('is not read back: the video is measured where it was downloaded', async () => {
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

  it('that got the video before a crash is where the next process finds it', async () => {
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

/** A storage that calls `before` ahead of every commit of a video. */
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
  it('is made after the task has succeeded, which does not wait for it', async () => {
    const begun = Promise.withResolvers<void>();
    const { promise: free, resolve: release } = Promise.withResolvers<void>();
    const world = await createWorld({
      parts: ({ inspector }) => ({
        inspector: {
          ...inspector,
          async poster(...given) {
            begun.resolve();
            await free;
            return inspector.poster(...given);
          },
        },
      }),
    });
    const { id } = await world.submit();
    const ended = world.ends(id);
    await begun.promise;
    const { phase, result } = await world.task(id);
    expect(phase).toBe('succeeded');
    const poster = await world.store.media(result?.posterId ?? '');
    expect(poster).toMatchObject({ kind: 'poster', state: 'pending', taskId: id });
    release();
    await ended;
    expect(await world.store.media(poster?.id ?? '')).toMatchObject({
      state: 'present',
      expiresAt: result?.expiresAt,
    });
    expect(await world.storage.stat(poster?.storageKey ?? '')).toBeDefined();
    expect((await world.task(id)).result).toEqual(result);
  });

  it.each<[string, Error, boolean]>([
    ['has no usable frame is not linked', new NativeJobError('no frame'), false],
    [
      'cannot be read at the moment stays linked, because it is made later',
      new Error('no descriptors'),
      true,
    ],
  ])('of a video that %s, and does not lose the video', async (_what, error, isLinked) => {
    const inspector = { ...fakeInspector, poster: () => Promise.reject(error) };
    const world = await createWorld({ parts: () => ({ inspector }) });
    const { id } = await world.submit();
    await expectWhole(world, id);
    expect((await world.task(id)).result?.posterId !== undefined).toBe(isLinked);
  });
});

/** What a former driver must not have done: the video is unchanged, for the next driver. */
async function expectUntouched(world: World, id: string): Promise<void> {
  const asked = world.upstream.count('poll');
  await world.advance(3_600_000);
  expect(await world.task(id)).toMatchObject({ phase: 'storing', owner: 'node-1' });
  expect(await world.ledger(id)).toEqual({ hold: 400_000 });
  expect(await world.store.mediaOf(id)).toEqual([]);
  expect(await Array.fromAsync(world.storage.list())).toEqual([]);
  expect(world.upstream.count('discard')).toBe(0);
  expect(world.upstream.count('poll')).toBe(asked);
}

/** A node without other nodes, whose lease the test can take away. */
function alone() {
  const cluster = { ...createManualCluster(), shared: false };
  return { cluster, lose: cluster.lose, freeze: cluster.freeze };
}

describe('a driver that loses its task', () => {
  it('during the download does not touch the upstream', async () => {
    const { cluster, lose } = alone();
    const signals: AbortSignal[] = [];
    const world = await createWorld({
      parts: () => ({ cluster }),
      provider: (provider) => ({
        ...provider,
        open(handle, result, offset, signal) {
          signals.push(signal);
          return provider.open(handle, result, offset, signal);
        },
      }),
    });
    world.provider.hold('open');
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    await world.idle();
    lose();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    await expectUntouched(world, id);
    expect(signals).toHaveLength(1);
  });

  it('at the moment when its result is announced downloads nothing', async () => {
    const { cluster, lose } = alone();
    const world = await createWorld({ parts: () => ({ cluster }) });
    world.feed.onChange(({ task }) => task.phase === 'storing' && lose());
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    await expectUntouched(world, id);
    expect(world.upstream.count('open')).toBe(0);
  });

  it.each([
    ['while the bytes are looked at', 'probe', 'lose'],
    ['while they are measured', 'follow', 'lose'],
    ['before it was informed', 'probe', 'freeze'],
  ] as const)('%s stores nothing, and leaves its download to the next driver', async (_when, step, how) => {
    const mortal = alone();
    const world = await createWorld({
      parts: ({ inspector }) => ({
        cluster: mortal.cluster,
        inspector: {
          ...inspector,
          async probe(path) {
            if (step === 'probe') mortal[how]();
            return inspector.probe(path);
          },
          follow(path) {
            const followed = inspector.follow(path);
            return {
              ...followed,
              async finish(length) {
                if (step === 'follow') mortal[how]();
                return followed.finish(length);
              },
            };
          },
        },
      }),
    });
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    await expectUntouched(world, id);
    const next = await world.crash({});
    await expectWhole(next, id);
    expect(offsets(next)).toEqual([0]);
  });

  it.each([
    [
      'to another driver before',
      (store: EngineParts['store'], task: Task) => store.transfer('node-1', 'node-9', [task]),
    ],
    ['and does not know how it went', () => Promise.reject(new Error('no connection'))],
  ])('while it stores the video, %s, announces nothing, and leaves the copy', async (_how, happens) => {
    const mortal = alone();
    const stored = Promise.withResolvers<void>();
    const world = await createWorld({
      parts: ({ store }) => ({
        cluster: mortal.cluster,
        store: {
          ...store,
          async commit(move, media) {
            if (move.task.phase !== 'succeeded') return store.commit(move, media);
            const task = await store.task(move.task.id);
            try {
              await happens(store, task as Task);
              return await store.commit(move, media);
            } finally {
              stored.resolve();
              mortal.lose();
            }
          },
        },
      }),
    });
    const announced: string[] = [];
    world.feed.onChange(({ task }) => announced.push(task.phase));
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    await stored.promise;
    await world.advance(3_600_000);
    expect(announced).not.toContain('succeeded');
    expect(await world.ledger(id)).toEqual({ hold: 400_000 });
    expect(world.upstream.count('discard')).toBe(0);
    expect(await Array.fromAsync(world.storage.list())).toHaveLength(1);
    const next = await world.crash({});
    await expectWhole(next, id);
    expect(offsets(next)).toEqual([0]);
    expect(next.upstream.count('discard')).toBe(1);
  });

  it('because the gateway stops also stores nothing', async () => {
    let drained: Promise<void> | undefined;
    const world: World = await createWorld({
      parts: ({ inspector }) => ({
        inspector: {
          ...inspector,
          async probe(...given) {
            drained ??= world.engine.drain(10_000);
            return inspector.probe(...given);
          },
        },
      }),
    });
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    await world.idle();
    await drained;
    expect(await Array.fromAsync(world.storage.list())).toEqual([]);
    expect(await world.store.mediaOf(id)).toEqual([]);
    const next = await world.restart({});
    await expectWhole(next, id);
    expect(offsets(next)).toEqual([0]);
  });

  it('after its move was written does not ask the upstream to delete anything', async () => {
    const { cluster, lose } = alone();
    const world = await createWorld({
      parts: ({ store }) => ({
        cluster,
        store: {
          ...store,
          async commit(move, media) {
            const done = await store.commit(move, media);
            if (move.task.phase === 'succeeded') lose();
            return done;
          },
        },
      }),
    });
    await expectWhole(world, (await world.submit()).id);
    await world.idle();
    expect(world.upstream.count('discard')).toBe(0);
  });
});

describe('a video in the storage', () => {
  it('first gets its row, with the expected bytes, in the state pending', async () => {
    const rows: unknown[] = [];
    const world: World = await createWorld({
      parts: ({ storage, store }) => ({
        storage: {
          ...storage,
          async write(key) {
            const write = await storage.write(key);
            return {
              ...write,
              async commit(under = key) {
                const [row] = (await store.mediaOf((await taskOf(world)).id)).filter(
                  ({ storageKey }) => storageKey === under,
                );
                rows.push([row?.kind, row?.state, row?.bytes, row?.sha256]);
                return write.commit(under);
              },
            };
          },
        },
      }),
    });
    const { id } = await world.submit();
    const { result } = await world.ends(id);
    expect(rows).toEqual([
      ['video', 'pending', result?.bytes, result?.sha256],
      ['poster', 'pending', undefined, undefined],
    ]);
  });

  it('is announced as soon as an unavailable store takes it, and is not downloaded again', async () => {
    let away = 2;
    const world = await createWorld({
      parts: ({ store }) => ({
        store: {
          ...store,
          async commit(move, media) {
            if (move.task.phase === 'succeeded' && away-- > 0) throw new Error('no connection');
            return store.commit(move, media);
          },
        },
      }),
    });
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    expect((await world.ends(id)).phase).toBe('succeeded');
    expect(offsets(world)).toEqual([0]);
  });
});

const taskOf = async ({ upstream, task }: World): Promise<Task> => task(upstream.records[0]?.taskId ?? '');

describe('tries for a video', () => {
  /** A world whose upstream opens videos as the test says, and the times of the calls. */
  async function opening(
    open: (tries: number) => void | Promise<void>,
    options: Partial<Parameters<typeof createWorld>[0]> = {},
  ) {
    const times: number[] = [];
    const world: World = await createWorld({
      ...options,
      provider: (provider) => ({
        ...provider,
        async open(...given) {
          times.push(world.timers.now());
          await open(times.length);
          return provider.open(...given);
        },
      }),
    });
    const waits = () => times.slice(1).map((time, index) => time - (times[index] ?? 0));
    return { world, waits, tries: () => times.length };
  }

  it('are at least a second apart, and up to a minute', async () => {
    const { world, waits } = await opening((tries) => {
      if (tries <= 8) throw new UpstreamError('upstream_unavailable');
    });
    await expectWhole(world, (await world.submit()).id);
    expect(waits()).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  });

  it('are as far apart as the upstream requests', async () => {
    const { world, waits } = await opening((tries) => {
      if (tries === 1) throw new UpstreamError('rate_limited', { retryAfterMs: 90_000 });
      if (tries === 2) throw new UpstreamError('rate_limited', { retryAfterMs: 10 });
    });
    await expectWhole(world, (await world.submit()).id);
    expect(waits()).toEqual([90_000, 2000]);
  });

  it.each([
    ['three, however long they take', [700_000, 700_000]],
    ['ten minutes, however many there are', Array.from({ length: 9 }, () => 60_000)],
  ])('with an expired link are at least %s apart', async (_what, retryAfter) => {
    const { world, waits } = await opening(
      (tries) => {
        const retryAfterMs = retryAfter[tries - 1];
        if (retryAfterMs !== undefined) throw new UpstreamError('upstream_unavailable', { retryAfterMs });
      },
      { behaviour: () => ({ resultExpiresAt: START_OF_TIME }) },
    );
    await expectWhole(world, (await world.submit()).id);
    expect(waits()).toEqual(retryAfter);
  });

  it('with an expired link end after three in ten minutes', async () => {
    const { world, tries } = await opening(
      () => {
        throw new UpstreamError('upstream_unavailable', { retryAfterMs: 300_000 });
      },
      { behaviour: () => ({ resultExpiresAt: START_OF_TIME }) },
    );
    expect((await world.ends((await world.submit()).id)).error).toMatchObject(LOST);
    expect(tries()).toBe(3);
  });

  it('after bytes that are no video are at least ten seconds apart', async () => {
    const { world, waits } = await opening(() => undefined, {
      behaviour: () => ({ open: ['damaged', 'damaged', 'whole'] }),
    });
    await expectWhole(world, (await world.submit()).id);
    expect(waits()).toEqual([10_000, 20_000]);
  });

  it('after a file that kills its checker are up to ten minutes apart', async () => {
    const times: number[] = [];
    const world: World = await createWorld({
      parts: ({ inspector }) => ({
        inspector: {
          ...inspector,
          async probe(path) {
            times.push(world.timers.now());
            if (times.length <= 12) throw new NativeCrash(null, 'SIGSEGV', '');
            return inspector.probe(path);
          },
        },
      }),
    });
    await expectWhole(world, (await world.submit()).id);
    const waits = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600].map((seconds) => seconds * 1000));
  });

  it('replace a download that trickles after half an hour, from the bytes that are there', async () => {
    const long = new AbortController();
    const usual = AbortSignal.timeout;
    vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => (ms === 1_800_000 ? long.signal : usual(ms)));
    onTestFinished(() => void vi.restoreAllMocks());
    const { world, tries } = await opening((tries) => {
      if (tries > 1) vi.restoreAllMocks();
    });
    world.provider.hold('open');
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    await world.idle();
    expect(tries()).toBe(1);
    long.abort();
    await world.advance(1000);
    expect(tries()).toBe(2);
  });

  it('are limited per account by the settings', async () => {
    const gate = Promise.withResolvers<void>();
    const { world, tries } = await opening(() => gate.promise, {
      settings: { downloadConcurrency: 2 },
      limits: { inFlight: 3 },
      accounts: ['one', 'two'],
    });
    const tasks = await Promise.all(Array.from({ length: 6 }, () => world.submit()));
    for (const { id } of tasks) await world.reaches(id, 'storing');
    await world.idle();
    expect(tries()).toBe(4);
    gate.resolve();
    for (const { id } of tasks) expect((await world.ends(id)).phase).toBe('succeeded');
  });

  it('that wait for their turn when the gateway stops are not begun', async () => {
    const { world, tries } = await opening(() => undefined, { settings: { downloadConcurrency: 1 } });
    world.provider.hold('open');
    const tasks = await Promise.all([1, 2].map(() => world.submit()));
    for (const { id } of tasks) await world.reaches(id, 'storing');
    await world.idle();
    await world.engine.drain(10_000);
    expect(tries()).toBe(1);
  });

  it('call only the upstream if no earlier process has tried', async () => {
    const stats: string[] = [];
    const world = await createWorld({
      parts: ({ storage }) => ({
        storage: {
          ...storage,
          stat(key) {
            stats.push(key);
            return storage.stat(key);
          },
        },
      }),
    });
    await expectWhole(world, (await world.submit()).id);
    expect(stats).toEqual([]);
  });

  it('end in a failure that is announced as soon as an unavailable store takes it', async () => {
    let away = 1;
    const world = await createWorld({
      behaviour: () => ({ open: ['damaged'] }),
      parts: ({ store }) => ({
        store: {
          ...store,
          async commit(move, media) {
            if (move.task.phase === 'failed' && away-- > 0) throw new Error('no connection');
            return store.commit(move, media);
          },
        },
      }),
    });
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    await world.advance(120_000);
    await eventually(async () => expect((await world.task(id)).error).toMatchObject(LOST));
  });
});
