import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createCanvas } from '@napi-rs/canvas';
import { afterAll, describe, expect, it } from 'vitest';
import { probeVideo } from '../../../src/media/inspect/video.ts';
import { createNativePool } from '../../../src/native/pool.ts';
import { makeVideo, setNtscRate, type VideoOptions } from '../../support/makeVideo.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const native = createNativePool({ concurrency: 1 });
afterAll(() => native.close());

async function video(options: VideoOptions = {}): Promise<Buffer> {
  const path = join(await tempFolder(), 'made');
  await makeVideo(path, options);
  return readFile(path);
}

async function verdictOn(bytes: Buffer) {
  const path = join(await tempFolder(), 'video.mp4');
  await writeFile(path, bytes);
  return probeVideo(native, path);
}

async function probeBytes(bytes: Buffer) {
  const verdict = await verdictOn(bytes);
  if (verdict.ok) return verdict.probe;
  throw new Error(`taken for a bad video: ${verdict.problem}, ${verdict.detail}`);
}

/** The problem with these bytes. */
async function problemOf(bytes: Buffer): Promise<string> {
  const verdict = await verdictOn(bytes);
  if (!verdict.ok) return verdict.problem;
  throw new Error(`taken for a whole video: ${JSON.stringify(verdict.probe)}`);
}

/** The ends of the top-level boxes of an MP4. */
function boxEnds(mp4: Buffer): number[] {
  const ends: number[] = [];
  for (let at = 0; at < mp4.length; ends.push(at)) at += mp4.readUInt32BE(at);
  return ends;
}

describe('a complete video', () => {
  it.each<[string, VideoOptions, object]>([
    ['MP4', {}, { container: 'mp4', videoCodec: 'h264', duration: 1 }],
    ['MP4 with its index at the end', { index: 'end' }, { container: 'mp4', duration: 1 }],
    ['MP4 with sound', { seconds: 2, audioSeconds: 2 }, { audioCodec: 'aac', duration: 2 }],
    ['MP4 with sound longer than the picture', { seconds: 1, audioSeconds: 3 }, { duration: 1 }],
    ['MP4 of 30 frames a second', { fps: 30, seconds: 3 }, { fps: 30, duration: 3 }],
    // Matroska stores the start of a block in whole milliseconds.
    ['WebM', { container: 'webm' }, { container: 'webm', videoCodec: 'vp8', duration: expect.closeTo(1, 2) }],
    ['MPEG-TS', { container: 'mpegts' }, { container: 'mpegts', videoCodec: 'h264', duration: 1 }],
    ['AVI', { container: 'avi' }, { container: 'avi', videoCodec: 'h264', duration: 1 }],
  ])('is described: %s', async (_what, options, facts) => {
    const probe = await probeBytes(await video(options));
    expect(probe).toMatchObject({ width: 64, height: 48, fps: 24, ...facts });
    expect('audioCodec' in probe).toBe(options.audioSeconds !== undefined);
  });

  it.each([
    ['isom', 'mp4'],
    ['M4V ', 'mp4'],
    ['qt  ', 'mov'],
  ])('is distinguished from QuickTime by its brand: %j is %s', async (brand, container) => {
    const bytes = await video();
    bytes.write(brand, 8, 'latin1');
    expect(await probeBytes(bytes)).toMatchObject({ container, duration: 1 });
  });

  it('is QuickTime if it is older than brands', async () => {
    const bytes = await video();
    bytes.write('free', 4, 'latin1');
    expect(await probeBytes(bytes)).toMatchObject({ container: 'mov', duration: 1 });
  });

  it('may have a fractional frame rate', async () => {
    const path = join(await tempFolder(), 'made');
    await makeVideo(path, { container: 'avi' });
    await setNtscRate(path);
    expect(await probeBytes(await readFile(path))).toMatchObject({ fps: 24_000 / 1001, duration: 1.001 });
  });

  it('is measured by the pictures that have a time', async () => {
    const bytes = await video({ container: 'mpegts' });
    // The header of the first picture's packet (ISO/IEC 13818-1, 2.4.3.6): its flags say which times follow.
    const flags = bytes.indexOf(Buffer.from([0, 0, 1, 0xe0])) + 7;
    bytes.writeUInt8(bytes.readUInt8(flags) & 0x3f, flags);
    expect(await probeBytes(bytes)).toMatchObject({ duration: expect.closeTo(23 / 24, 2) });
  });

  it('has no frame rate if its container has none and it has one frame', async () => {
    expect(await probeBytes(await video({ container: 'mpegts', fps: 1 }))).toMatchObject({ fps: 0 });
  });
});

describe('a truncated video is detected', () => {
  it.each(['front', 'end'] as const)('MP4, index at the %s, truncated anywhere', async (index) => {
    const whole = await video({ index, audioSeconds: 1 });
    const cuts = [...boxEnds(whole).slice(0, -1), 1, 7, 20, 100, whole.length / 2, whole.length - 1];
    for (const cut of cuts) {
      const problem = await problemOf(whole.subarray(0, cut));
      expect([cut, problem]).toEqual([cut, cut < 8 ? 'not_video' : 'truncated']);
    }
  });

  it.each<VideoOptions>([{ container: 'webm' }, { container: 'avi' }])('%j', async (options) => {
    const whole = await video({ ...options, seconds: 20 });
    expect(await problemOf(whole.subarray(0, whole.length / 2))).toBe('truncated');
  });

  it('AVI that has all of its sound and nothing of its picture', async () => {
    const whole = await video({ container: 'avi', seconds: 1, audioSeconds: 1 });
    expect(await probeBytes(whole)).toMatchObject({ videoCodec: 'h264', audioCodec: 'aac' });
    const silent = Buffer.from(whole.toString('latin1').replaceAll('00dc', 'JUNK'), 'latin1');
    const verdict = await verdictOn(silent);
    expect(verdict).toMatchObject({
      ok: false,
      problem: 'truncated',
      detail: 'the stream has no packets',
    });
  });

  it('MP4 whose media data is announced but missing', async () => {
    const whole = await video();
    const [ftyp = 0, moov = 0] = boxEnds(whole);
    const empty = Buffer.concat([
      whole.subarray(0, Math.max(ftyp, moov)),
      Buffer.from('\0\0\0\x08mdat', 'latin1'),
    ]);
    expect(await problemOf(empty)).toBe('truncated');
  });
});

describe('a file that is no video is refused', () => {
  const image = createCanvas(64, 48).toBuffer('image/png');
  it.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['a byte', Buffer.from('x')],
    ['zeros', Buffer.alloc(10_000)],
    ['text', Buffer.from('not a video '.repeat(500))],
    ['a page', Buffer.from('<!doctype html><title>504</title><p>Gateway timeout')],
    ['an error as JSON', Buffer.from('{"error": {"message": "The link has expired"}}')],
    ['a picture', image],
    ['a playlist', Buffer.from('#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n#EXT-X-ENDLIST\n')],
    ['a script that names other files', Buffer.from("ffconcat version 1.0\nfile '/etc/passwd'\n")],
    ['a session description', Buffer.from('v=0\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n')],
    ['an MP4 brand and nothing behind it', Buffer.from('\0\0\0\x10ftypisom\0\0\0\0', 'latin1')],
  ])('%s', async (_what, bytes) => {
    expect(['not_video', 'truncated']).toContain(await problemOf(bytes));
  });

  it('and the log has its first bytes in readable form', async () => {
    const page = Buffer.from(`<!doctype\n\t\x00\xffhtml>${'x'.repeat(1000)}`, 'latin1');
    const verdict = await verdictOn(page);
    expect(verdict).toMatchObject({
      problem: 'not_video',
      detail: `no known video container; the file begins with "<!doctype html>${'x'.repeat(62)}"`,
    });
  });

  it('also a sound file', async () => {
    expect(await problemOf(await video({ seconds: 0, audioSeconds: 1 }))).toBe('no_video_stream');
  });

  it('a missing file is a system error, not an error of the video', async () => {
    const missing = probeVideo(native, join(await tempFolder(), 'missing.mp4'));
    await expect(missing).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

it.each(['ENOENT', 'EMFILE'])('a child that cannot open the file (%s) returns no verdict', async (code) => {
  const path = join(await tempFolder(), 'video.mp4');
  await writeFile(path, await video());
  const job = new URL('./jobs/probeWithout.ts', import.meta.url);
  await expect(native.run(job, { path, code })).rejects.toThrow('Could not read the video');
});

it('damaged bytes never stop the checker: each file gets a verdict, and the next one is checked', async () => {
  const whole = await video({ audioSeconds: 1 });
  const verdicts = new Set<string>();
  for (let at = 0; at < whole.length; at += 97) {
    const damaged = Buffer.from(whole);
    damaged.fill(0xff, at, at + 16);
    // A table that claims four billion entries looks the same as a machine without memory.
    const verdict = await verdictOn(damaged).catch((error: unknown) => {
      if (String(error).includes('Cannot allocate memory')) return undefined;
      throw error;
    });
    verdicts.add(verdict === undefined ? 'no memory' : verdict.ok ? 'video' : verdict.problem);
  }
  expect([...verdicts]).toEqual(expect.arrayContaining(['video', 'truncated']));
  expect(await probeBytes(whole)).toMatchObject({ duration: 1 });
});
