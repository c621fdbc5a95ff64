import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createIngest, isStagedForUnfinished, storeMeasured } from '../../../src/engine/ingest/ingest.ts';
import type { EngineParts, VideoInspector } from '../../../src/engine/parts.ts';
import { createFileStorage } from '../../../src/media/files/storage.ts';
import { type MediaStorage, type Probe, StoredWrong } from '../../../src/media/media.ts';
import { openSqliteStore } from '../../../src/store/sqlite/store.ts';
import type { Store } from '../../../src/store/store.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { put } from '../../media/storageContract.ts';
import { aMediaRow, anAcceptance, aRequest, aTask, START_OF_TIME } from '../../support/builders.ts';
import { SETTINGS } from '../../support/engineParts.ts';
import { fakeInspector, fakeVideo } from '../../support/fakeVideo.ts';
import { readAll } from '../../support/http/readAll.ts';
import { createManualCluster } from '../../support/manualCluster.ts';
import { createManualTimers } from '../../support/manualTimers.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const VIDEO = fakeVideo({ name: 'this one', duration: 4 });

interface Changes {
  readonly store?: (store: Store) => Partial<Store>;
  readonly storage?: (storage: MediaStorage) => Partial<MediaStorage>;
  readonly inspector?: Partial<VideoInspector>;
  readonly parts?: Partial<EngineParts>;
  readonly task?: Partial<Task>;
}

/** A task whose video is ingested into a real storage, and the calls on the way, in order. */
async function bringing(changes: Changes = {}) {
  const dir = await tempFolder();
  const store = await openSqliteStore({ dir, exclusive: true });
  onTestFinished(() => store.close());
  const files = createFileStorage({ root: join(dir, 'media') });
  const timers = createManualTimers();
  const cluster = createManualCluster();
  const events: string[] = [];
  const logged: string[] = [];
  const task = aTask({ phase: 'storing', ...changes.task });
  await store.accept(anAcceptance({ ...task, phase: 'accepted' }));
  const storage: MediaStorage = {
    ...files,
    async write(key) {
      const write = await files.write(key);
      return {
        ...write,
        commit(under) {
          events.push(`commit ${under ?? key}`);
          return write.commit(under);
        },
      };
    },
    ...changes.storage?.(files),
  };
  const parts = {
    store: {
      ...store,
      async putMedia(rows: Parameters<Store['putMedia']>[0]) {
        events.push(...rows.map(({ storageKey, state }) => `row ${storageKey} ${state}`));
        await store.putMedia(rows);
      },
      ...changes.store?.(store),
    },
    cluster,
    storage,
    inspector: { ...fakeInspector, ...changes.inspector },
    deliveredRate: () => undefined,
    clock: timers,
    timers,
    settings: SETTINGS,
    log: pino({ level: 'info' }, { write: (line) => logged.push(JSON.parse(line).event) }),
    ...changes.parts,
  };
  const ingest = createIngest(parts);
  let opened = 0;
  const id = task.id.slice('video_'.length);
  return {
    files,
    store,
    timers,
    cluster,
    events,
    logged,
    opened: () => opened,
    videoKey: `video/${id}-0v.mp4`,
    posterKey: `poster/${id}-0p.jpg`,
    memory: { earlier: 'none' } as Parameters<typeof ingest.ingest>[2],
    ingest: (open: Parameters<typeof ingest.ingest>[1]) =>
      ingest.ingest(task, open, { earlier: 'none' }, new AbortController().signal),
    run(memory: Parameters<typeof ingest.ingest>[2], signal = new AbortController().signal) {
      return ingest.ingest(
        task,
        async (offset) => {
          opened += 1;
          return { stream: Readable.from([VIDEO.subarray(offset)]), offset, bytes: VIDEO.length };
        },
        memory,
        signal,
      );
    },
  };
}

const probing = (changes: Partial<Probe>): Partial<VideoInspector> => ({
  async probe(path) {
    const verdict = await fakeInspector.probe(path);
    return verdict.ok ? { ok: true, probe: { ...verdict.probe, ...changes } } : verdict;
  },
});

describe('an ingest', () => {
  it('stores the video with its row before its bytes, and names the poster that follows, under keys of the attempt', async () => {
    const { run, memory, events, videoKey, posterKey, files } = await bringing();
    const { result, media } = await run(memory);
    expect(events).toEqual([`row ${videoKey} pending`, `commit ${videoKey}`]);
    const expiresAt = START_OF_TIME + SETTINGS.retentionMs;
    expect(result).toEqual({
      videoId: expect.stringMatching(/-0v$/),
      posterId: expect.stringMatching(/-0p$/),
      bytes: VIDEO.length,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      duration: 4,
      width: 1280,
      height: 720,
      videoCodec: 'h264',
      expiresAt,
    });
    const { sha256, bytes } = result;
    expect(media).toMatchObject([
      {
        kind: 'video',
        storageKey: videoKey,
        contentType: 'video/mp4',
        state: 'present',
        bytes,
        sha256,
        expiresAt,
      },
      { kind: 'poster', storageKey: posterKey, contentType: 'image/jpeg', state: 'pending', expiresAt },
    ]);
    expect((await files.stat(videoKey))?.bytes).toBe(bytes);
  });

  it('frees each piece of the video once it is written', async () => {
    const { ingest, files, videoKey } = await bringing();
    const pieces = [0, 100, 200].map((at) =>
      Buffer.from(VIDEO.subarray(at, at < 200 ? at + 100 : undefined)),
    );
    const freed: Buffer[] = [];
    await ingest(async () => ({
      stream: Readable.from(pieces),
      offset: 0,
      bytes: VIDEO.length,
      free(piece) {
        freed.push(piece);
        piece.fill(0);
      },
    }));
    expect(freed).toEqual(pieces);
    expect((await readAll(await files.read(videoKey))).equals(VIDEO)).toBe(true);
  });

  it('stores the properties of what was delivered', async () => {
    const asked: unknown[] = [];
    const { run, memory } = await bringing({
      inspector: probing({ audioCodec: 'aac', width: 640, height: 480, duration: 3.9 }),
      parts: {
        deliveredRate: (_task, delivered) => {
          asked.push(delivered);
          return { microsPerSecond: 7 };
        },
      },
    });
    expect(await run(memory)).toMatchObject({
      rate: { microsPerSecond: 7 },
      result: { audioCodec: 'aac', width: 640, height: 480, duration: 3.9 },
    });
    expect(asked).toEqual([{ width: 640, height: 480, audio: true, seconds: 3.9 }]);
  });

  it.each<[string, Partial<Probe>, boolean, boolean]>([
    ['what was asked for', {}, false, false],
    ['nearly as long', { duration: 4.49 }, false, false],
    ['longer', { duration: 4.5 }, false, true],
    ['shorter', { duration: 3.5 }, false, true],
    ['wider', { width: 1281 }, false, true],
    ['less high', { height: 719 }, false, true],
    ['silent, and should not be', {}, true, true],
    ['with sound, as it should be', { audioCodec: 'aac' }, true, false],
    ['with sound that was not requested', { audioCodec: 'aac' }, false, false],
  ])('logs a result that differs from the request: %s', async (_what, probe, generateAudio, told) => {
    const { run, memory, logged } = await bringing({
      inspector: probing(probe),
      task: { request: aRequest({ generateAudio }) },
    });
    await run(memory);
    expect(logged.includes('video.differs')).toBe(told);
  });

  it('accepts a size up to the configured limit', async () => {
    const settings = (maxVideoBytes: number) => ({ parts: { settings: { ...SETTINGS, maxVideoBytes } } });
    const small = await bringing(settings(VIDEO.length));
    await small.run(small.memory);
    const large = await bringing(settings(VIDEO.length - 1));
    await expect(large.run(large.memory)).rejects.toMatchObject({ name: 'TooLarge' });
  });

  it('fetches the whole video if an earlier try left bytes without a note: a power failure may have taken it', async () => {
    const { run, memory, files, videoKey } = await bringing();
    const left = await files.write(videoKey);
    await left.append(Readable.from([Buffer.alloc(VIDEO.length - 1)]), 0);
    expect(await run(memory)).toMatchObject({ result: { bytes: VIDEO.length } });
    const stored = await files.read(videoKey, { start: 0, end: VIDEO.length - 1 });
    expect(Buffer.concat(await stored.toArray()).equals(VIDEO)).toBe(true);
  });

  it('refuses bytes that are no video, and keeps none of them', async () => {
    const { run, memory, files, videoKey, events } = await bringing({
      inspector: { probe: async () => ({ ok: false, problem: 'not_mp4', detail: 'a page of text' }) },
    });
    await expect(run(memory)).rejects.toMatchObject({
      name: 'DamagedVideo',
      problem: 'not_mp4',
      message: expect.stringContaining('a page of text'),
    });
    expect((await files.write(videoKey)).partial).toBe(0);
    expect(events).toEqual([]);
  });

  it.each<[string, (world: Awaited<ReturnType<typeof bringing>>, gone: AbortController) => void]>([
    ['the lease is lost', ({ cluster }) => cluster.freeze()],
    ['the task has another driver', (_world, gone) => gone.abort()],
  ])('stores nothing if %s in the meantime', async (_what, lose) => {
    const gone = new AbortController();
    const world: Awaited<ReturnType<typeof bringing>> = await bringing({
      inspector: {
        async probe(path) {
          const verdict = await fakeInspector.probe(path);
          lose(world, gone);
          return verdict;
        },
      },
    });
    await expect(world.run(world.memory, gone.signal)).rejects.toThrow();
    expect(world.events).toEqual([]);
    expect(await Array.fromAsync(world.files.list())).toEqual([]);
  });
});

describe('a video that an earlier driver may have stored', () => {
  const earlier = async (changes: Changes = {}, bytes: Buffer | undefined = VIDEO) => {
    const world = await bringing(changes);
    world.memory.earlier = 'some';
    if (bytes) await put(world.files, world.videoKey, bytes);
    return world;
  };

  it('is used and not downloaded', async () => {
    const { run, memory, opened, events, videoKey, timers } = await earlier();
    const { result, media } = await run(memory);
    expect(opened()).toBe(0);
    // Nothing waits any more for the storage to answer.
    expect(timers.nextAt()).toBeUndefined();
    expect(result).toMatchObject({ bytes: VIDEO.length, posterId: expect.any(String) });
    expect(media).toHaveLength(2);
    expect(events).toEqual([`row ${videoKey} pending`]);
  });

  it('is not searched for again once it was missing', async () => {
    const { run, memory, opened } = await earlier();
    await run({ ...memory, earlier: 'none' });
    expect(opened()).toBe(1);
    const gone = await bringing();
    gone.memory.earlier = 'some';
    await gone.run(gone.memory);
    expect([gone.opened(), gone.memory.earlier]).toEqual([1, 'none']);
  });

  it('is not searched for if it is staged here', async () => {
    const { run, memory, opened, files, videoKey } = await earlier();
    const write = await files.write(videoKey);
    await write.append(Readable.from([VIDEO.subarray(0, 100)]), 0);
    await run(memory);
    expect(opened()).toBe(1);
  });

  it.each<[string, Buffer, Changes]>([
    ['is damaged', VIDEO.subarray(0, 1000), {}],
    ['is in another container', VIDEO, { inspector: probing({ container: 'webm' }) }],
  ])('is downloaded if what is stored %s', async (_what, bytes, changes) => {
    const { run, memory, opened, logged } = await earlier(changes, bytes);
    // As WebM it would be remuxed, which this inspector cannot do.
    await run(memory).catch(() => undefined);
    expect([opened(), memory.earlier]).toEqual([1, 'none']);
    expect(logged).toContain('media.damaged');
  });

  it('has the key of its row, wherever that points, and no other one', async () => {
    const { run, memory, opened, store, files, videoKey } = await earlier({}, undefined);
    const row = aMediaRow({
      id: videoKey.slice('video/'.length, -'.mp4'.length),
      storageKey: videoKey.replace('.mp4', '_0123abcd.mp4'),
      state: 'pending',
    });
    await store.putMedia([row]);
    await put(files, row.storageKey, VIDEO);
    const { media } = await run(memory);
    expect([opened(), media[0]?.storageKey]).toEqual([0, row.storageKey]);
    await store.putMedia([{ ...row, sha256: '0'.repeat(64) }]);
    memory.earlier = 'some';
    await run(memory);
    expect(opened()).toBe(1);
  });

  it.each<[string, Changes]>([
    ['the database', { store: () => ({ media: () => Promise.reject(new Error('away')) }) }],
    ['the storage', { storage: () => ({ stat: () => Promise.reject(new Error('away')) }) }],
  ])('is downloaded if %s cannot tell, which is remembered', async (_what, changes) => {
    const { run, memory, opened } = await earlier(changes);
    await run(memory);
    expect([opened(), memory.earlier]).toEqual([1, 'unknown']);
  });

  it('is waited for five seconds, and then downloaded', async () => {
    const asked = Promise.withResolvers<void>();
    const { run, memory, opened, timers } = await earlier({
      storage: () => ({
        stat: () => {
          asked.resolve();
          return new Promise(() => undefined);
        },
      }),
    });
    const running = run(memory);
    await asked.promise;
    timers.moveTo(timers.now() + 4999);
    await new Promise((resolve) => setImmediate(resolve));
    expect(memory.earlier).toBe('some');
    timers.moveTo(timers.now() + 1);
    await running;
    expect([opened(), memory.earlier]).toEqual([1, 'unknown']);
    expect(timers.nextAt()).toBeUndefined();
  });
});

describe('an existing object that cannot be replaced', () => {
  it('makes the video get another key, with three keys in all', async () => {
    const keys: (string | undefined)[] = [];
    const rows: string[] = [];
    const write = {
      commit: async (key?: string) => {
        keys.push(key);
        if (keys.length < wrong) throw new StoredWrong('half of it');
        return { bytes: 1, modifiedAt: 1 };
      },
    } as never;
    let wrong = 3;
    const parts = {
      store: {
        putMedia: async (given: readonly { storageKey: string }[]) =>
          void rows.push(...given.map((row) => row.storageKey)),
      },
      log: pino({ level: 'silent' }),
    } as never;
    const row = aMediaRow({ storageKey: 'video/a.mp4' });
    const stored = await storeMeasured(parts, write, row);
    expect(keys).toEqual(['video/a.mp4', expect.stringMatching(/^video\/a_\w{8}\.mp4$/), stored.storageKey]);
    expect(rows).toEqual(keys);
    expect(new Set(keys).size).toBe(3);
    keys.splice(0);
    wrong = 4;
    await expect(storeMeasured(parts, write, row)).rejects.toBeInstanceOf(StoredWrong);
    expect(keys).toHaveLength(3);
  });

  it('is not the reason if the storage fails otherwise', async () => {
    let tries = 0;
    const write = { commit: () => Promise.reject(new Error(`away ${++tries}`)) } as never;
    const parts = { store: { putMedia: async () => undefined }, log: pino({ level: 'silent' }) } as never;
    await expect(storeMeasured(parts, write, aMediaRow())).rejects.toThrow('away 1');
  });
});

describe('a staged file', () => {
  const task = aTask();
  const id = task.id.slice('video_'.length);
  const neededBy = (found: Task | undefined, key: string) =>
    isStagedForUnfinished({ task: async (asked) => (asked === found?.id ? found : undefined) }, key);

  it.each([`video/${id}-1v.mp4`, `poster/${id}-12p.jpg`, `video/${id}-1v_remuxed.mp4`])(
    'is needed by its task: %s',
    async (key) => {
      expect(await neededBy(task, key)).toBe(true);
      expect(await neededBy({ ...task, phase: 'failed' }, key)).toBe(false);
      expect(await neededBy(undefined, key)).toBe(false);
    },
  );

  it.each([
    `input/${id}-1v.mp4`,
    `video/${id}.mp4`,
    `video/x${id}-1v.mp4`,
    `video/${id}-1x.mp4`,
    `video/${id}-v.mp4`,
    `video/${id}-1v_other.mp4`,
  ])('is needed by no task: %s', async (key) => {
    expect(await neededBy(task, key)).toBe(false);
  });
});
