import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { EngineParts } from '../../../src/engine/parts.ts';
import { probeVideo, withPosterFile } from '../../../src/media/inspect/video.ts';
import type { MediaWrite } from '../../../src/media/media.ts';
import { createNativePool, type NativePool, type RunOptions } from '../../../src/native/pool.ts';
import { SendRefused } from '../../../src/providers/provider.ts';
import { OnetakeError } from '../../../src/tasks/errors.ts';
import { START_OF_TIME } from '../../support/builders.ts';
import { createWorld, type World } from '../../support/engineWorld.ts';
import { fakeInspector } from '../../support/fakeVideo.ts';
import { makeVideo } from '../../support/makeVideo.ts';
import { childrenOfThis, tellsChildren } from '../../support/processes/nativeChildren.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const opens = ({ upstream }: World) => upstream.count('open');

/** The link works once, and expires soon after. */
const ONE_LINK = () => ({
  open: ['whole', { error: 'result_lost' }] as const,
  resultExpiresAt: START_OF_TIME + 60_000,
});

/** More than the patience for a video that was checked and is bad. */
const TIMES = 10;

/** Fails so often, and works after that. */
function failing(times: number, error: () => Error): () => void {
  let left = times;
  return () => {
    if (left-- > 0) throw error();
  };
}

const system = (code: string) => () => Object.assign(new Error(`${code}: no`), { code });
const away = () => new OnetakeError('storage_unavailable', 503, 'The storage is away.');

/** Parts that fail a few times. */
type Trouble = (fail: () => void, parts: EngineParts) => Partial<EngineParts>;

const probing: Trouble = (fail) => ({
  inspector: {
    ...fakeInspector,
    async probe(path) {
      fail();
      return fakeInspector.probe(path);
    },
  },
});

/** The file is hashed while it is written, or later if it was complete already. */
const hashing: Trouble = (fail) => ({
  inspector: {
    ...fakeInspector,
    async digest(path) {
      fail();
      return fakeInspector.digest(path);
    },
    follow(path) {
      const file = fakeInspector.follow(path);
      return {
        ...file,
        async finish(length) {
          fail();
          return file.finish(length);
        },
      };
    },
  },
});

const writing =
  (name: 'append' | 'writeNote' | 'readNote' | 'commit'): Trouble =>
  (fail, { storage }) => ({
    storage: {
      ...storage,
      async write(key) {
        const write = await storage.write(key);
        const method = write[name] as (...given: unknown[]) => Promise<unknown>;
        return {
          ...write,
          async [name](...given: unknown[]) {
            fail();
            return method(...given);
          },
        } as MediaWrite;
      },
    },
  });

const storing: Trouble = (fail, { store }) => ({
  store: {
    ...store,
    async putMedia(rows) {
      fail();
      return store.putMedia(rows);
    },
  },
});

describe('problems of this gateway lose no video, however long they last and whatever happens to the link', () => {
  it.each<[string, Trouble, () => Error]>([
    ['no descriptors for the checker', probing, system('EMFILE')],
    ['no memory for the checker', probing, system('ENOMEM')],
    ['a disk that cannot be read', hashing, system('EIO')],
    ['a note that cannot be read', writing('readNote'), system('EMFILE')],
    ['an unavailable storage', writing('commit'), away],
    ['a disk that fails at the end', writing('commit'), system('EIO')],
    ['an unavailable database', storing, system('SQLITE_BUSY')],
  ])('%s', async (_what, trouble, error) => {
    const fail = failing(TIMES, error);
    const world = await createWorld({
      behaviour: ONE_LINK,
      parts: (parts) => trouble(fail, parts),
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.error).toBeUndefined();
    expect(opens(world)).toBe(1);
    // The upstream is not asked either: its answer says nothing about our disk.
    expect(world.upstream.count('poll')).toBe(1);
    expect(task.completedAt).toBeGreaterThan(START_OF_TIME + 60_000);
  });

  it.each<[string, Trouble, () => Error]>([
    ['a full disk', writing('append'), system('ENOSPC')],
    ['a disk on which no note can be written', writing('writeNote'), system('EIO')],
  ])('%s: the upstream is asked again until the patience ends', async (_what, trouble, error) => {
    const fail = failing(TIMES, error);
    const world = await createWorld({
      behaviour: () => ({ resultExpiresAt: START_OF_TIME }),
      parts: (parts) => trouble(fail, parts),
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.error).toBeUndefined();
  });

  it.each<[string, () => Error]>([
    ['no descriptors for a connection', system('EMFILE')],
    ['a lease that is lost: nothing is sent until it is back', () => new SendRefused()],
  ])('%s', async (_what, error) => {
    const fail = failing(4 * TIMES, error);
    const world = await createWorld({
      behaviour: () => ({ resultExpiresAt: START_OF_TIME }),
      provider: (provider) => ({
        ...provider,
        async open(...given) {
          fail();
          return provider.open(...given);
        },
      }),
    });
    expect((await world.ends((await world.submit()).id)).error).toBeUndefined();
  });

  it('end with the patience, and the error names the cause', async () => {
    const world = await createWorld({
      behaviour: ONE_LINK,
      settings: { downloadPatienceMs: 7_200_000 },
      parts: (parts) => probing(failing(Number.POSITIVE_INFINITY, system('EMFILE')), parts),
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.error).toMatchObject({ reason: 'result_lost' });
    expect(task.error?.message).toContain('the gateway could not check and store it');
    expect((task.completedAt ?? 0) - task.createdAt).toBeGreaterThan(7_200_000);
  });

  it('an account missing in the configuration: its videos are stored when it is back', async () => {
    const world = await createWorld({
      behaviour: () => ({ open: [{ error: 'upstream_unavailable' }, 'whole'] }),
    });
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    await world.idle();
    const without = await world.restart({ accounts: ['another'] });
    await without.advance(3_600_000);
    expect((await without.task(id)).phase).toBe('storing');
    const back = await without.restart({});
    expect((await back.ends(id)).phase).toBe('succeeded');
  });
});

/** An inspector with real children, and an upstream with a real video. */
async function realWorld(disturb: (pool: NativePool) => NativePool) {
  const path = join(await tempFolder(), 'video.mp4');
  await makeVideo(path, {});
  const native = createNativePool({ concurrency: 1 });
  onTestFinished(() => native.close());
  const disturbed = disturb(native);
  const world = await createWorld({
    behaviour: ONE_LINK,
    parts: () => ({
      inspector: {
        ...fakeInspector,
        probe: (file) => probeVideo(disturbed, file),
        poster: (video, use) => withPosterFile(disturbed, video, use),
      },
    }),
    provider: (provider) => ({
      ...provider,
      async open(handle, result, offset, signal) {
        await provider.open(handle, result, offset, signal);
        return { stream: createReadStream(path, { start: offset }), bytes: (await stat(path)).size, offset };
      },
    }),
  });
  return world;
}

/** Does `harm` to the child of each of the first jobs, as soon as it runs. */
const harming =
  (times: number, harm: (pid: number) => void, more: RunOptions = {}) =>
  (native: NativePool): NativePool => {
    let left = times;
    return {
      ...native,
      run<I, O>(job: URL, input: I, options: RunOptions = {}) {
        if (left-- <= 0) return native.run<I, O>(job, input, options);
        const onProgress = (percent: number) => {
          if (percent === 0) for (const pid of childrenOfThis()) harm(pid);
        };
        return native.run<I, O>(job, input, { ...options, ...more, onProgress });
      },
    };
  };

describe.runIf(tellsChildren)('a checker', () => {
  it('that is killed every time loses no video and no poster', async () => {
    const world = await realWorld(harming(5, (pid) => process.kill(pid, 'SIGKILL')));
    const task = await world.ends((await world.submit()).id);
    expect(task.error).toBeUndefined();
    expect(task.result).toMatchObject({ width: 64, height: 48, posterId: expect.any(String) });
    expect(opens(world)).toBe(1);
  });

  it('that is frozen is killed and started again', async () => {
    const world = await realWorld(harming(3, (pid) => process.kill(pid, 'SIGSTOP'), { timeoutMs: 200 }));
    const task = await world.ends((await world.submit()).id);
    expect(task.error).toBeUndefined();
    expect(opens(world)).toBe(1);
  });
});
