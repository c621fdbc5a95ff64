import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { probe } from '@onetake/video';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RenderSpec, render } from '../src/index.ts';

const SPEC: RenderSpec = {
  prompt: 'a sailing boat at sunset',
  duration: 1,
  width: 480,
  height: 480,
  audio: false,
  cameraFixed: false,
  seed: 1,
};

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'onetake-renderer-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function rendered(changes: Partial<RenderSpec>, progress = (_percent: number): void => {}) {
  const outPath = join(dir, 'out.mp4');
  await render({ spec: { ...SPEC, ...changes }, dir, outPath }, progress);
  return readFile(outPath);
}

describe('a rendered video', () => {
  it('has the same bytes for the same spec, and others for another seed', async () => {
    const first = await rendered({ audio: true });
    expect((await rendered({ audio: true })).equals(first)).toBe(true);
    expect((await rendered({ audio: true, seed: 2 })).equals(first)).toBe(false);
  });

  it.each([0.5, 3])('lasts as long as the spec says: %d s', async (duration) => {
    expect(await probe(await rendered({ duration }))).toMatchObject({
      width: 480,
      height: 480,
      fps: 24,
      seconds: duration,
    });
  });

  it('has sound if the spec asks for it, and otherwise no sound track', async () => {
    expect((await probe(await rendered({ audio: true }))).codecs).toEqual(['h264', 'aac']);
    expect((await probe(await rendered({}))).codecs).toEqual(['h264']);
  });

  it('can play before it is complete, because the index is in front', async () => {
    const bytes = await rendered({});
    expect(bytes.indexOf('moov')).toBeGreaterThan(0);
    expect(bytes.indexOf('moov')).toBeLessThan(bytes.indexOf('mdat'));
  });

  it('says in its metadata that it is synthetic', async () => {
    const bytes = await rendered({});
    const tag = bytes.indexOf('\u00a9cmt', 0, 'latin1');
    expect(tag).toBeGreaterThan(bytes.indexOf('moov'));
    expect(bytes.subarray(tag, tag + 64).toString('latin1')).toContain('Synthetic: drawn by');
  });

  it('reports progress that never goes back, up to the end', async () => {
    const reported: number[] = [];
    await rendered({}, (percent) => reported.push(percent));
    expect(reported).toEqual(reported.toSorted((a, b) => a - b));
    expect(reported.at(-1)).toBe(100);
    expect(reported.length).toBeGreaterThan(12);
  });
});
