import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { NotResumable, type OpenedResult, UpstreamError } from '../../../src/providers/provider.ts';
import { createWorld, type World, type WorldOptions } from '../../support/engineWorld.ts';
import { fakeVideo } from '../../support/fakeVideo.ts';
import { readAll } from '../../support/http/readAll.ts';

const VIDEO = fakeVideo({ name: 'this one', duration: 4 });
const OTHER = fakeVideo({ name: 'another', duration: 4 });
const SHORT = fakeVideo({ name: 'short', duration: 4, bytes: 3000 });

/** What an upstream does at one try, told where it is asked to go on from. */
type Answer = (offset: number) => OpenedResult;

/** Gives `bytes`, and breaks off after the first `upTo`. */
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

/** A world whose upstream answers one try after the other so, the last for ever; and where each began. */
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

describe('an upstream that cannot go on', () => {
  it.each<[string, Answer[], number[]]>([
    ['says nothing of the length', [broken, notResumable(), giving(VIDEO)], [0, 5000, 0]],
    ['has a shorter video by now', [broken, notResumable(3000), giving(VIDEO)], [0, 5000, 0]],
    ['has a longer video by now', [broken, notResumable(90_000), giving(VIDEO)], [0, 5000, 0]],
    ['names other bytes', [broken, giving(VIDEO, { version: '"b"' })], [0, 5000, 0]],
    ['tells another length', [broken, first(giving(OTHER.subarray(0, 9000)), giving(VIDEO))], [0, 5000, 0]],
    ['begins too far on', [broken, first((at) => giving(VIDEO)(at + 10), giving(VIDEO))], [0, 5000, 0]],
  ])('and %s is asked for the whole video', async (_what, answers, asked) => {
    const ended = await answering(...answers);
    expect(ended.task.error).toBeUndefined();
    expect(ended.asked).toEqual(asked);
    expect((await stored(ended.world, ended.task.result?.videoId)).equals(VIDEO)).toBe(true);
  });

  it('because all of it is here already is not asked again', async () => {
    const { world, task, asked } = await answering(
      // All bytes, and then an error in the place of the end.
      (offset) => ({
        stream: Readable.from(
          (function* () {
            yield VIDEO.subarray(offset);
            throw new Error('reset');
          })(),
        ),
        offset,
      }),
      notResumable(),
    );
    expect(task.error).toBeUndefined();
    expect(asked).toEqual([0, VIDEO.length]);
    expect((await stored(world, task.result?.videoId)).equals(VIDEO)).toBe(true);
  });

  it('begins anew where it gives other bytes from the start', async () => {
    const { world, task } = await answering(broken, (_offset) => giving(SHORT, { version: '"b"' })(0));
    expect((await stored(world, task.result?.videoId)).equals(SHORT)).toBe(true);
  });

  it('at all is not asked for ever', async () => {
    const { task, asked } = await answering(broken, notResumable());
    expect(task.error?.reason).toBe('result_lost');
    expect(asked.filter((offset) => offset > 0)).toEqual([5000]);
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
