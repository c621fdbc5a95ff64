import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { NotResumable, type OpenedResult, UpstreamError } from '../../../src/providers/provider.ts';
import { createWorld, type World, type WorldOptions } from '../../support/engineWorld.ts';
import { fakeVideo } from '../../support/fakeVideo.ts';
import { readAll } from '../../support/http/readAll.ts';

const VIDEO = fakeVideo({ name: 'this one', duration: 4 });
const OTHER = fakeVideo({ name: 'another', duration: 4 });
const SHORT = fakeVideo({ name: 'short', duration: 4, bytes: 3000 });

/** What an upstream does at one try, given the offset of the request. */
type Answer = (offset: number) => OpenedResult;

/** Sends `bytes`, and breaks off after the first `upTo`. */
const giving =
  (
    bytes: Buffer,
    { upTo = bytes.length, told = true, version }: { upTo?: number; told?: boolean; version?: string } = {},
  ): Answer =>
  (offset) => ({
    stream: Readable.from(
      (function* () {
        yield bytes.subarray(offset, upTo);
        if (upTo < bytes.length) throw new Error('broken off');
      })(),
    ),
    offset,
    ...(told ? { bytes: bytes.length } : {}),
    ...(version === undefined ? {} : { version }),
  });

const notResumable =
  (bytes?: number): Answer =>
  (offset) => {
    if (offset === 0) throw new UpstreamError('upstream_unavailable', { detail: '416 without a range' });
    throw new NotResumable(bytes);
  };

const first =
  (answer: Answer, otherwise: Answer): Answer =>
  (offset) =>
    (offset === 0 ? otherwise : answer)(offset);

/** A world whose upstream answers the tries in this order, repeating the last, and the offset of each try. */
async function answering(...answers: Answer[]) {
  const asked: number[] = [];
  const world = await createWorld({
    provider: (provider) => ({
      ...provider,
      async open(_handle, _result, offset) {
        const answer = answers[Math.min(asked.length, answers.length - 1)] as Answer;
        asked.push(offset);
        return answer(offset);
      },
    }),
  });
  const task = await world.ends((await world.submit()).id);
  return { world, task, asked };
}

async function stored(world: World, videoId = ''): Promise<Buffer> {
  const row = await world.store.media(videoId);
  return readAll(await world.storage.read(row?.storageKey ?? ''));
}

const broken = giving(VIDEO, { upTo: 5000, version: '"a"' });

/** All bytes, and then an error instead of the end. */
const resetAtEnd: Answer = (offset) => ({
  stream: Readable.from(
    (function* () {
      yield VIDEO.subarray(offset);
      throw new Error('reset');
    })(),
  ),
  offset,
});

describe('an upstream that cannot resume', () => {
  it.each<[string, Answer[], number[]]>([
    ['names no length', [broken, notResumable(), giving(VIDEO)], [0, 5000, 0]],
    ['has a shorter video by now', [broken, notResumable(3000), giving(VIDEO)], [0, 5000, 0]],
    ['has a longer video by now', [broken, notResumable(90_000), giving(VIDEO)], [0, 5000, 0]],
    ['names other bytes', [broken, giving(VIDEO, { version: '"b"' })], [0, 5000, 0]],
    [
      'announces another length',
      [broken, first(giving(OTHER.subarray(0, 9000)), giving(VIDEO))],
      [0, 5000, 0],
    ],
    [
      'begins at a later offset',
      [broken, first((at) => giving(VIDEO)(at + 10), giving(VIDEO))],
      [0, 5000, 0],
    ],
  ])('and %s is asked for the whole video', async (_what, answers, asked) => {
    const ended = await answering(...answers);
    expect(ended.task.error).toBeUndefined();
    expect(ended.asked).toEqual(asked);
    expect((await stored(ended.world, ended.task.result?.videoId)).equals(VIDEO)).toBe(true);
  });

  it('because all bytes are here already is not asked again', async () => {
    const { world, task, asked } = await answering(resetAtEnd, notResumable());
    expect(task.error).toBeUndefined();
    expect(asked).toEqual([0, VIDEO.length]);
    expect((await stored(world, task.result?.videoId)).equals(VIDEO)).toBe(true);
  });

  it.each([
    ['longer', VIDEO.length + 1],
    ['shorter', VIDEO.length - 1],
  ])(
    'and says that its video is %s than the complete one that is here is asked for it',
    async (_what, total) => {
      const { world, task, asked } = await answering(resetAtEnd, notResumable(total), giving(OTHER));
      expect(asked).toEqual([0, VIDEO.length, 0]);
      expect((await stored(world, task.result?.videoId)).equals(OTHER)).toBe(true);
    },
  );

  it('and says that an incomplete video is all there is, is asked for the whole video at once', async () => {
    const { world, task, asked } = await answering(broken, notResumable(5000), giving(VIDEO));
    expect(asked).toEqual([0, 5000, 0]);
    expect((await stored(world, task.result?.videoId)).equals(VIDEO)).toBe(true);
    // In the same try: the staged file was never taken for the video.
    expect((task.completedAt ?? 0) - (task.startedAt ?? 0)).toBeLessThan(10_000);
  });

  it('starts again if it sends other bytes from the start', async () => {
    const { world, task } = await answering(broken, (_offset) => giving(SHORT, { version: '"b"' })(0));
    expect((await stored(world, task.result?.videoId)).equals(SHORT)).toBe(true);
  });

  it('is not asked for ever if it never delivers', async () => {
    const { task, asked } = await answering(broken, notResumable());
    expect(task.error?.reason).toBe('result_lost');
    expect(asked.filter((offset) => offset > 0)).toEqual([5000]);
  });
});

describe('the rest of a video', () => {
  it.each<[string, Answer[], number[]]>([
    [
      'is appended if it begins at the requested offset',
      [broken, giving(VIDEO, { version: '"a"' })],
      [0, 5000],
    ],
    ['needs no version', [broken, giving(VIDEO)], [0, 5000]],
    ['needs no length', [broken, giving(VIDEO, { told: false })], [0, 5000]],
    [
      'may begin before its offset',
      [broken, first((at) => giving(VIDEO)(at - 1000), giving(VIDEO))],
      [0, 5000],
    ],
    ['may be the whole video', [broken, () => giving(VIDEO, { version: '"b"' })(0)], [0, 5000]],
    [
      'is requested again if more arrived than announced',
      [(offset) => ({ ...giving(VIDEO)(offset), bytes: VIDEO.length - 1 }), giving(VIDEO)],
      [0, 0],
    ],
    [
      'is requested again if less arrived than announced',
      [(offset) => ({ ...giving(VIDEO.subarray(0, 9000))(offset), bytes: VIDEO.length }), giving(VIDEO)],
      [0, 9000],
    ],
  ])('%s', async (_what, answers, asked) => {
    const ended = await answering(...answers);
    expect(ended.task.error).toBeUndefined();
    expect(ended.asked).toEqual(asked);
    expect((await stored(ended.world, ended.task.result?.videoId)).equals(VIDEO)).toBe(true);
  });

  it('that begins at another offset is never appended to nothing', async () => {
    const { world, task } = await answering((offset) => giving(VIDEO)(offset + 10));
    expect(task.error?.reason).toBe('result_lost');
    expect(await Array.fromAsync(world.storage.list())).toEqual([]);
  });

  it('is closed in every case', async () => {
    const streams: Readable[] = [];
    const kept =
      (answer: Answer): Answer =>
      (offset) => {
        const opened = answer(offset);
        streams.push(opened.stream);
        return opened;
      };
    const { task } = await answering(
      kept(broken),
      kept(first(giving(OTHER.subarray(0, 9000)), giving(VIDEO))),
      kept((offset) => giving(VIDEO)(offset + 10)),
      kept((offset) => giving(VIDEO)(offset + 10)),
      kept(giving(VIDEO)),
    );
    expect(task.error).toBeUndefined();
    expect(streams.map(({ destroyed }) => destroyed)).toEqual(streams.map(() => true));
    expect(streams).toHaveLength(5);
  });

  it('is requested again if its connection breaks before the first byte is read', async () => {
    const { task, asked } = await answering((offset) => {
      const stream = new Readable({ read: () => undefined });
      process.nextTick(() => stream.destroy(new Error('reset')));
      return { stream, offset, bytes: VIDEO.length };
    }, giving(VIDEO));
    expect(task.error).toBeUndefined();
    expect(asked).toEqual([0, 0]);
  });

  it('is not requested by a process that finds all bytes here, although their number is unknown', async () => {
    let asked = 0;
    const provider: WorldOptions['provider'] = (recording) => ({
      ...recording,
      async open(_handle, _result, offset) {
        asked += 1;
        return giving(VIDEO, { told: false })(offset);
      },
    });
    const world = await createWorld({
      provider,
      parts: ({ inspector }) => ({
        inspector: { ...inspector, probe: () => Promise.reject(new Error('no descriptors')) },
      }),
    });
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    await world.idle();
    const next = await world.crash({ provider });
    expect((await next.ends(id)).error).toBeUndefined();
    expect(asked).toBe(1);
  });
});

it('what was stored before a crash counts only if it is what was measured', async () => {
  let opened = 0;
  const provider: WorldOptions['provider'] = (recording) => ({
    ...recording,
    async open(_handle, _result, offset) {
      opened += 1;
      return giving(VIDEO)(offset);
    },
  });
  const crashed = Promise.withResolvers<void>();
  const mortal = await createWorld({
    provider,
    parts: ({ store }) => ({
      store: {
        ...store,
        commit: (move, media) => {
          if (move.task.phase !== 'succeeded') return store.commit(move, media);
          crashed.resolve();
          return new Promise(() => undefined);
        },
      },
    }),
  });
  const { id } = await mortal.submit();
  await mortal.reaches(id, 'storing');
  await crashed.promise;
  const key = `video/${id.slice('video_'.length)}-1v.mp4`;
  expect(await readAll(await mortal.storage.read(key))).toEqual(VIDEO);
  const write = await mortal.storage.write(key);
  await write.append(Readable.from([OTHER]), 0);
  await write.commit();

  const next = await mortal.crash({ provider });
  const { result } = await next.ends(id);
  expect(opened).toBe(2);
  expect(await readAll(await next.storage.read(`video/${result?.videoId}.mp4`))).toEqual(VIDEO);
});
