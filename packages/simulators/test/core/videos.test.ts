import { probe } from '@onetake/video';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createVideos, type Videos } from '../../src/video/videos.ts';

const SPEC = { width: 640, height: 360, seconds: 3, audio: true };

let videos: Videos;

beforeEach(() => {
  videos = createVideos();
});
afterEach(() => videos.close());

describe('the video maker', () => {
  it('makes the requested size, length and tracks', async () => {
    for (const spec of [SPEC, { width: 480, height: 832, seconds: 5, audio: false }]) {
      const { width, height, seconds, audio } = spec;
      const bytes = await videos.bytes(spec, { seed: 1, label: 'one' });
      expect(await probe(bytes)).toEqual({
        width,
        height,
        seconds,
        fps: 24,
        codecs: audio ? ['h264', 'aac'] : ['h264'],
      });
    }
  });

  it('colours by seed and caches the videos', async () => {
    const [one, same, other] = await Promise.all(
      [0, 4, 1].map((seed) => videos.bytes(SPEC, { seed, label: 'x' })),
    );
    const empty = Buffer.alloc(0);
    expect(one?.equals(same ?? empty)).toBe(true);
    expect(one?.equals(other ?? empty)).toBe(false);
  });

  it('makes stills in the formats that providers use', async () => {
    const starts = { webp: 'RIFF', jpeg: '\u00ff\u00d8\u00ff', png: '\u0089PNG' } as const;
    for (const format of ['webp', 'jpeg', 'png'] as const) {
      const bytes = await videos.still(SPEC, 1, format);
      expect(bytes.toString('latin1').startsWith(starts[format])).toBe(true);
    }
  });

  it('rejects waiting requests when it closes', async () => {
    const waiting = videos.bytes(SPEC, { seed: 1, label: 'one' });
    const settled = expect(waiting).rejects.toThrow('the video maker ended');
    await videos.close();
    await settled;
    await expect(videos.bytes(SPEC, { seed: 2, label: 'two' })).rejects.toThrow('closed');
  });
});
