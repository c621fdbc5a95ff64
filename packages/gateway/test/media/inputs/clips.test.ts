import { createReadStream } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { createFileStorage } from '../../../src/media/files/storage.ts';
import { refused } from '../../../src/media/inputs/bytes.ts';
import { createClipReader, type DraftClip, refusedVideo } from '../../../src/media/inputs/clips.ts';
import { probeAudio, probeVideo } from '../../../src/media/inspect/video.ts';
import { createNativePool } from '../../../src/native/pool.ts';
import { createGuardedFetch } from '../../../src/net/guardedFetch.ts';
import { openSqliteStore } from '../../../src/store/sqlite/store.ts';
import { START_OF_TIME } from '../../support/builders.ts';
import { readAll } from '../../support/http/readAll.ts';
import { makeVideo, type VideoOptions } from '../../support/makeVideo.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const native = createNativePool({ concurrency: 1 });
afterAll(() => native.close());

const NEVER = new AbortController().signal;
const MAX_BYTES = 100_000;

/** One second of silence: RIFF, 8 kHz, 8 bits. */
function wav(seconds = 1): Buffer {
  const samples = Buffer.alloc(8000 * seconds, 128);
  const header = Buffer.alloc(44);
  header.write('RIFF', 0).toString();
  header.writeUInt32LE(36 + samples.length, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(8000, 24);
  header.writeUInt32LE(8000, 28);
  header.writeUInt16LE(1, 32);
  header.writeUInt16LE(8, 34);
  header.write('data', 36);
  header.writeUInt32LE(samples.length, 40);
  return Buffer.concat([header, samples]);
}

/** Frames of MPEG-1 layer III, 44.1 kHz, 128 kbit/s, without any sound: 417 bytes of 1152 samples each. */
const mp3 = (frames = 40): Buffer =>
  Buffer.concat(
    Array.from({ length: frames }, () => Buffer.concat([Buffer.from('fffb9064', 'hex'), Buffer.alloc(413)])),
  );

async function video(options: VideoOptions = {}): Promise<Buffer> {
  const path = join(await tempFolder(), 'made');
  await makeVideo(path, options);
  return readFile(path);
}

async function world() {
  const dir = await tempFolder();
  const store = await openSqliteStore({ dir, exclusive: true });
  onTestFinished(() => store.close());
  const storage = createFileStorage({ root: join(dir, 'media') });
  /** The videos of finished tasks, or their paths, by task. */
  const own = new Map<string, string | Readable>();
  const uploaded = new Map<string, { contentType: string; bytes: Buffer }>();
  const read = createClipReader({
    guardedFetch: createGuardedFetch({ allowHosts: ['127.0.0.1'] }),
    storage,
    store,
    probeVideo: (path) => probeVideo(native, path),
    probeAudio: (path) => probeAudio(native, path),
    openFile: async (id, _project, field) => {
      const file = uploaded.get(id);
      if (!file) throw refused(field, 'there is no file');
      const { contentType, bytes } = file;
      return { contentType, bytes: bytes.length, read: async () => Readable.from([bytes]) };
    },
    openVideo: async (taskId, _project, field) => {
      const path = own.get(taskId);
      if (path === undefined) throw refusedVideo(field, 'names no video of your project.');
      return typeof path === 'string' ? createReadStream(path) : path;
    },
    clock: { now: () => START_OF_TIME },
    maxBytes: MAX_BYTES,
  });
  const files = () => readdir(join(dir, 'media', 'input')).catch(() => []);
  return { read, storage, store, own, uploaded, files };
}

const clip = (type: 'video' | 'audio', from: DraftClip['from'] | string, role?: string): DraftClip => ({
  type,
  field: 'references[0]',
  from: typeof from === 'string' ? { given: from } : from,
  ...(role === undefined ? {} : { role }),
});
const dataUrl = (bytes: Buffer, type = 'video/mp4') => `data:${type};base64,${bytes.toString('base64')}`;

describe('a reference', () => {
  it.each<[string, 'video' | 'audio', () => Promise<Buffer>, string, object]>([
    ['an MP4', 'video', () => video({ seconds: 2 }), 'mp4', { width: 64, height: 48, fps: 24, duration: 2 }],
    ['a WebM', 'video', () => video({ container: 'webm' }), 'webm', { duration: expect.closeTo(1, 2) }],
    ['a WAV', 'audio', async () => wav(), 'wav', { duration: 1 }],
    ['an MP3', 'audio', async () => mp3(), 'mp3', { duration: expect.closeTo((40 * 1152) / 44_100, 1) }],
  ])('is measured and stored: %s', async (_what, type, make, extension, facts) => {
    const { read, storage, store } = await world();
    const bytes = await make();
    const { reference, row } = await read(clip(type, dataUrl(bytes), 'source'), 'project', NEVER);
    expect(reference).toMatchObject({
      type,
      role: 'source',
      input: { mediaId: row.id, bytes: bytes.length, ...facts },
    });
    expect(row).toMatchObject({
      projectId: 'project',
      storageKey: `input/${row.id}.${extension}`,
      contentType: reference.input.contentType,
      bytes: bytes.length,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect((await readAll(await storage.read(row.storageKey))).equals(bytes)).toBe(true);
    expect(await store.media(row.id)).toMatchObject({ state: 'pending', storageKey: row.storageKey });
  });

  it('is copied if it is an uploaded file', async () => {
    const { read, storage, uploaded } = await world();
    const bytes = wav();
    uploaded.set('file-1', { contentType: 'audio/wav', bytes });
    const { reference, row } = await read(clip('audio', 'file-1'), 'project', NEVER);
    expect(reference.input).toMatchObject({ contentType: 'audio/wav', bytes: bytes.length, duration: 1 });
    expect(reference.input).not.toHaveProperty('sourceUrl');
    expect((await readAll(await storage.read(row.storageKey))).equals(bytes)).toBe(true);
  });

  it.each<[string, { contentType: string; bytes: Buffer } | undefined, RegExp]>([
    ['is not there', undefined, /^references\[0\]: there is no file/],
    [
      'is something else',
      { contentType: 'image/png', bytes: wav() },
      /the file is image\/png, and not a sound file/,
    ],
    ['is too large', { contentType: 'audio/wav', bytes: Buffer.alloc(MAX_BYTES + 1) }, /larger than/],
  ])('is refused if the file %s, and nothing stays', async (_what, file, says) => {
    const { read, uploaded, files } = await world();
    if (file) uploaded.set('file-1', file);
    await expect(read(clip('audio', 'file-1'), 'project', NEVER)).rejects.toThrow(says);
    expect(await files()).toEqual([]);
  });

  it('is downloaded if it is a URL, which is kept', async () => {
    const { read, storage } = await world();
    const bytes = await video();
    const { origin } = await serve((_request, response) =>
      response.writeHead(200, { 'content-type': 'video/mp4' }).end(bytes),
    );
    const { reference, row } = await read(clip('video', `${origin}/a.mp4`), 'project', NEVER);
    expect(reference.input.sourceUrl).toBe(`${origin}/a.mp4`);
    expect((await readAll(await storage.read(row.storageKey))).equals(bytes)).toBe(true);
  });

  it('is copied if it is the video of a task', async () => {
    const { read, own, storage } = await world();
    const path = join(await tempFolder(), 'own.mp4');
    await makeVideo(path);
    own.set('video_1', path);
    const { reference, row } = await read(clip('video', { videoId: 'video_1' }), 'project', NEVER);
    expect(reference.input).not.toHaveProperty('sourceUrl');
    expect((await readAll(await storage.read(row.storageKey))).equals(await readFile(path))).toBe(true);
  });

  it.each<[string, 'video' | 'audio', () => Promise<string>, RegExp]>([
    [
      'a picture',
      'video',
      async () => dataUrl(Buffer.from('not a video')),
      /not a video in MP4, MOV or WebM/,
    ],
    [
      'half a video',
      'video',
      async () => dataUrl((await video()).subarray(0, 1500)),
      /damaged or incomplete/,
    ],
    ['an AVI', 'video', async () => dataUrl(await video({ container: 'avi' })), /the video is avi, not MP4/],
    ['a video as sound', 'audio', async () => dataUrl(await video()), /not WAV or MP3/],
    ['sound as a video', 'video', async () => dataUrl(wav()), /not a video/],
    [
      'half a sound',
      'audio',
      async () => dataUrl(wav(2).subarray(0, 9000)),
      /sound file is damaged or incomplete/,
    ],
    ['bad base64', 'video', async () => 'data:video/mp4;base64,A*', /not valid base64/],
    ['too much base64', 'video', async () => dataUrl(Buffer.alloc(MAX_BYTES + 1)), /larger than 0 MiB/],
    ['something else', 'video', async () => 'data:text/plain,x', /data URL or base64 of the video/],
  ])('is refused, and leaves nothing behind: %s', async (_what, type, make, message) => {
    const { read, files, store } = await world();
    const reading = read(clip(type, await make()), 'project', NEVER);
    await expect(reading).rejects.toMatchObject({
      status: 400,
      message,
      details: { param: 'references[0]' },
    });
    expect(await files()).toEqual([]);
    expect(await store.sweepable(START_OF_TIME + 1, START_OF_TIME + 1, 10, [])).toEqual([]);
  });

  it.each<[string, number, string, string, RegExp]>([
    ['is gone', 404, 'text/html', 'no', /the URL answered 404/],
    ['is a page', 200, 'text/html', 'hello', /something else than a video/],
    ['is too large', 200, 'video/mp4', 'x'.repeat(MAX_BYTES + 1), /larger than/],
  ])('whose URL %s is refused', async (_what, status, type, body, message) => {
    const { read, files } = await world();
    const { origin } = await serve((_request, response) =>
      response.writeHead(status, { 'content-type': type, 'transfer-encoding': 'chunked' }).end(body),
    );
    await expect(read(clip('video', origin), 'project', NEVER)).rejects.toMatchObject({
      status: 400,
      message,
    });
    expect(await files()).toEqual([]);
  });

  it('whose task has a video that is too large is refused', async () => {
    const { read, own, files } = await world();
    const video = Readable.from([Buffer.alloc(MAX_BYTES), Buffer.alloc(1)]);
    own.set('video_1', video);
    await expect(read(clip('video', { videoId: 'video_1' }), 'project', NEVER)).rejects.toMatchObject({
      status: 400,
      message: /larger than/,
    });
    expect([video.destroyed, await files()]).toEqual([true, []]);
  });

  it.each(['while its video is copied', 'before its video is open'])(
    'of a request that is given up %s ends at once, with the reason',
    async (when) => {
      const { read, own, files } = await world();
      const asker = new AbortController();
      const gone = new Error('the client is gone');
      // A storage that hangs.
      const video = new PassThrough();
      video.write('bytes');
      own.set('video_1', video);
      if (when === 'before its video is open') asker.abort(gone);
      else setImmediate(() => asker.abort(gone));
      await expect(read(clip('video', { videoId: 'video_1' }), 'project', asker.signal)).rejects.toBe(gone);
      expect([video.destroyed, await files()]).toEqual([true, []]);
    },
  );

  it('whose task has no video is refused', async () => {
    const { read } = await world();
    await expect(read(clip('video', { videoId: 'video_2' }), 'project', NEVER)).rejects.toMatchObject({
      status: 400,
      message: 'references[0]: video_id names no video of your project.',
    });
  });

  it('that cannot be stored is not blamed on the caller', async () => {
    const { origin } = await serve((_request, response) =>
      response.writeHead(200, { 'content-type': 'video/mp4' }).end('bytes'),
    );
    const guardedFetch = createGuardedFetch({ allowHosts: ['127.0.0.1'] });
    const into = () => Promise.reject(new Error('the disk is full'));
    await expect(guardedFetch(origin, { maxBytes: 100, into })).rejects.toThrow('the disk is full');
  });
});
