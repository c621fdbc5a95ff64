import { readFile, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import type { VideoInspector } from '../../../src/engine/parts.ts';
import { laterKey } from '../../../src/media/key.ts';
import type { Probe } from '../../../src/media/media.ts';
import { NativeCrash } from '../../../src/native/errors.ts';
import { createWorld, type World } from '../../support/engineWorld.ts';
import { fakeInspector } from '../../support/fakeVideo.ts';
import { readAll } from '../../support/http/readAll.ts';

const MP4 = 'MP4:';

/** Treats every file except its own as a WebM; `remux` says how often and how that fails at first. */
function webmInspector(remux: VideoInspector['remux']): VideoInspector {
  return {
    ...fakeInspector,
    probe: async (path) => {
      const container = (await readFile(path, 'latin1')).startsWith(MP4) ? 'mp4' : 'webm';
      return {
        ok: true,
        probe: { container, duration: 4, width: 1280, height: 720, videoCodec: 'vp9', fps: 24 },
      };
    },
    remux,
  };
}

const good: VideoInspector['remux'] = async (path, outPath) => {
  await writeFile(outPath, Buffer.concat([Buffer.from(MP4), await readFile(path)]));
  return { ok: true };
};

/** Half a file, and then the child is gone. */
const dying: VideoInspector['remux'] = async (_path, outPath) => {
  await writeFile(outPath, MP4);
  throw new NativeCrash(null, 'SIGKILL', '');
};

async function expectMp4(world: World, id: string): Promise<void> {
  const task = await world.ends(id);
  expect(task.error).toBeUndefined();
  const row = await world.store.media(task.result?.videoId ?? '');
  const key = row?.storageKey ?? '';
  const bytes = await readAll(await world.storage.read(key));
  expect(bytes.toString('latin1', 0, 4)).toBe(MP4);
  expect([task.result?.bytes, task.result?.sha256]).toEqual([row?.bytes, row?.sha256]);
  expect(task.result?.bytes).toBe(bytes.length);
  // Nothing stays staged: neither the download nor the remuxed file.
  expect((await world.storage.write(key)).partial).toBe(0);
  expect((await world.storage.write(laterKey(key, 'remuxed'))).partial).toBe(0);
}

it('a child that dies while it remuxes decides nothing: the video is remuxed again, without the upstream', async () => {
  const tries = [dying, dying, good];
  const world = await createWorld({
    parts: () => ({ inspector: webmInspector((...given) => (tries.shift() ?? good)(...given)) }),
  });
  await expectMp4(world, (await world.submit()).id);
  expect(tries).toEqual([]);
  expect(world.upstream.count('open')).toBe(1);
});

it.each(['remuxed', 'stored'] as const)(
  'a crash before the video is %s causes no second download',
  async (before) => {
    let remuxed = 0;
    const inspector = (remux: VideoInspector['remux']) =>
      webmInspector((...given) => {
        remuxed += 1;
        return remux(...given);
      });
    const world = await createWorld({
      parts: ({ store }) => ({
        inspector: inspector(before === 'remuxed' ? dying : good),
        store:
          before === 'remuxed'
            ? store
            : {
                ...store,
                putMedia: async () => {
                  throw new Error('the database is away');
                },
              },
      }),
    });
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    await world.idle();
    const next = await world.crash({ parts: () => ({ inspector: inspector(good) }) });
    remuxed = 0;
    await expectMp4(next, id);
    expect(next.upstream.count('open')).toBe(1);
    expect(remuxed).toBe(before === 'remuxed' ? 1 : 0);
  },
);

it.each<[string, Partial<Probe>, boolean]>([
  ['as long', {}, true],
  ['a little longer', { duration: 4.25 }, true],
  ['a little shorter', { duration: 3.75 }, true],
  ['longer', { duration: 4.26 }, false],
  ['shorter', { duration: 3.74 }, false],
  ['wider', { width: 1281 }, false],
  ['higher', { height: 721 }, false],
  ['of another codec', { videoCodec: 'h264' }, false],
  ['with other sound', { audioCodec: 'aac' }, false],
  ['no MP4', { container: 'mov' }, false],
])('a remuxed file is accepted if it is the same video: %s', async (_what, changes, taken) => {
  const inspector = webmInspector(good);
  const world = await createWorld({
    parts: () => ({
      inspector: {
        ...inspector,
        async probe(path) {
          const verdict = await inspector.probe(path);
          return verdict.ok && verdict.probe.container === 'mp4'
            ? { ok: true, probe: { ...verdict.probe, ...changes } }
            : verdict;
        },
      },
    }),
  });
  const task = await world.ends((await world.submit()).id);
  expect(task.phase).toBe(taken ? 'succeeded' : 'failed');
  if (!taken) {
    expect(task.attempt?.detail).toContain('as an MP4 it has other properties: {');
    expect(world.upstream.count('open')).toBe(1);
  }
});

it('a remuxed file that cannot be read is reported', async () => {
  const inspector = webmInspector(good);
  const world = await createWorld({
    parts: () => ({
      inspector: {
        ...inspector,
        async probe(path) {
          const verdict = await inspector.probe(path);
          const isMade = verdict.ok && verdict.probe.container === 'mp4';
          return isMade ? { ok: false, problem: 'truncated', detail: 'half of it' } : verdict;
        },
      },
    }),
  });
  const task = await world.ends((await world.submit()).id);
  expect(task.error?.reason).toBe('result_unusable');
  expect(task.attempt?.detail).toContain('as an MP4 it has other properties: half of it');
});

it('a file that cannot become an MP4 fails at once, with a clear message and without a charge', async () => {
  const verdict = { ok: false, problem: 'not_mp4', detail: 'vp8 is no codec of MP4' } as const;
  const world = await createWorld({ parts: () => ({ inspector: webmInspector(async () => verdict) }) });
  const task = await world.ends((await world.submit()).id);
  expect(task.error).toMatchObject({ reason: 'result_unusable', code: 502 });
  expect(task.attempt?.detail).toContain('webm with vp9 and no sound was delivered: vp8');
  expect(world.upstream.count('open')).toBe(1);
  expect(await world.ledger(task.id)).toEqual({ hold: 400_000, release: 400_000 });
  expect(await Array.fromAsync(world.storage.list())).toEqual([]);
});
