import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { download } from '../src/download.ts';
import { createHttp } from '../src/http.ts';
import { DownloadError, NotFoundError, Onetake } from '../src/index.ts';
import { downloadToFile } from '../src/node.ts';
import { REFERENCE_VIDEO, startReference } from './support/reference.ts';
import { createTestTiming } from './support/timing.ts';
import { sha256, startVideoServer, type VideoServer } from './support/videoServer.ts';

const ID = 'video_69095b4ce0048190893a01510c0c98b0';

const httpOf = (baseUrl: string) => createHttp({ baseUrl, apiKey: 'sk-1' }, createTestTiming());
/** Without delays. */
const connect = (baseUrl: string): Pick<Onetake, 'download'> => ({
  download: (id, options) => download(httpOf(baseUrl), id, options),
});

/** Reads a stream, and cuts its connection whenever one of these numbers of bytes is there. */
async function bytesOf(
  body: ReadableStream<Uint8Array>,
  video?: VideoServer,
  ...cuts: number[]
): Promise<Buffer> {
  let bytes = Buffer.alloc(0);
  for await (const piece of body) {
    bytes = Buffer.concat([bytes, piece]);
    if (cuts.includes(bytes.length)) video?.cut();
  }
  return bytes;
}

/** The name of the unfinished file in a folder, once it has 40,000 bytes. */
async function partIn(path: string): Promise<string> {
  const sizes = async () =>
    Promise.all((await readdir(path)).map(async (name) => (await stat(join(path, name))).size));
  await expect.poll(sizes).toContain(40_000);
  return (await readdir(path)).find((name) => /^\.boat\.mp4\.\w+\.part$/.test(name)) ?? '';
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'onetake-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

const failed = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => expect.unreachable('it should fail'),
    (error: unknown) => error,
  );

describe('a stream', () => {
  it('goes on where the connection broke, again and again', async () => {
    const video = await startVideoServer();
    video.limits = [40_000, 0, 10_000];
    const { body, bytes, sha256: told, contentType } = await connect(video.url).download(ID);
    expect((await bytesOf(body, video, 40_000, 50_000)).equals(video.bytes)).toBe(true);
    expect([bytes, told, contentType]).toEqual([video.bytes.length, sha256(video.bytes), 'video/mp4']);
    expect(video.ranges).toEqual([undefined, 'bytes=40000-', 'bytes=40000-', 'bytes=50000-']);
  });

  it('is given up if there is never one more byte', async () => {
    const video = await startVideoServer();
    video.limits = [1000, ...Array(50).fill(0)];
    const { body } = await connect(video.url).download(ID);
    expect(await failed(bytesOf(body, video, 1000))).toMatchObject({ name: 'ConnectionError' });
    expect(video.ranges.length).toBeGreaterThan(2);
  });

  it('does not join two videos', async () => {
    const video = await startVideoServer();
    video.limits = [1000];
    const { body } = await connect(video.url).download(ID);
    video.bytes = Buffer.from(video.bytes).reverse();
    expect(await failed(bytesOf(body, video, 1000))).toBeInstanceOf(DownloadError);
  });

  it('without a strong ETag ends with the connection', async () => {
    const video = await startVideoServer();
    video.limits = [1000];
    video.headers = { etag: 'W/"1"' };
    const { body, etag } = await connect(video.url).download(ID);
    expect(etag).toBeUndefined();
    expect(await failed(bytesOf(body, video, 1000))).toMatchObject({ name: 'ConnectionError' });
  });

  it.each([
    ['that names a file for the proxy', { 'content-length': '0', 'x-accel-redirect': '/protected/1.mp4' }],
    ['of no length', { 'content-length': undefined }],
  ])('is never an empty answer %s', async (_name, headers) => {
    const video = await startVideoServer();
    video.bytes = Buffer.alloc(0);
    video.headers = headers;
    const path = await folder();
    const error = await failed(downloadToFile(connect(video.url), ID, join(path, 'boat.mp4')));
    expect(error).toBeInstanceOf(DownloadError);
    expect(error).toMatchObject({ message: expect.stringMatching(/ONETAKE_SENDFILE.*reverse proxy/) });
    expect(await readdir(path)).toEqual([]);
  });

  it('ends with what its signal was aborted with', async () => {
    const video = await startVideoServer();
    const controller = new AbortController();
    const { body } = await connect(video.url).download(ID, { signal: controller.signal });
    const reason = new Error('the user left');
    controller.abort(reason);
    expect(await failed(bytesOf(body))).toBe(reason);
  });
});

describe('a file', () => {
  it('has all bytes, although the connection broke, and replaces an older one', async () => {
    const video = await startVideoServer();
    const path = await folder();
    const file = join(path, 'boat.mp4');
    await writeFile(file, 'an older one');
    video.limits = [40_000];
    const saving = downloadToFile(connect(video.url), ID, file);
    await partIn(path);
    expect(await readFile(file, 'utf8')).toBe('an older one');
    video.cut();
    const saved = await saving;
    expect(saved).toEqual({ bytes: video.bytes.length, sha256: sha256(video.bytes) });
    expect((await readFile(file)).equals(video.bytes)).toBe(true);
    expect(await readdir(path)).toEqual(['boat.mp4']);
  });

  it('appears only when it is whole, and another call goes on where one was aborted', async () => {
    const video = await startVideoServer();
    const path = await folder();
    const file = join(path, 'boat.mp4');
    video.limits = [40_000];
    const controller = new AbortController();
    const aborted = downloadToFile(connect(video.url), ID, file, { signal: controller.signal });
    const part = await partIn(path);
    const reason = new Error('the user left');
    controller.abort(reason);
    expect(await failed(aborted)).toBe(reason);
    expect(await readdir(path)).toEqual([part]);
    video.ranges.length = 0;
    const saved = await downloadToFile(connect(video.url), ID, file);
    expect(saved.sha256).toBe(sha256(video.bytes));
    expect(video.ranges).toEqual([undefined, 'bytes=40000-']);
    expect((await readFile(file)).equals(video.bytes)).toBe(true);
    expect(await readdir(path)).toEqual(['boat.mp4']);
  });

  it('may have the longest name that a folder takes', async () => {
    const video = await startVideoServer();
    const path = await folder();
    for (const name of ['a'.repeat(251), '映'.repeat(83)]) {
      const file = join(path, `${name}.mp4`);
      const { bytes } = await downloadToFile(connect(video.url), ID, file);
      expect(bytes).toBe(video.bytes.length);
    }
    expect(await readdir(path)).toHaveLength(2);
  });

  it('is right for each of two calls that write it at once', async () => {
    const video = await startVideoServer();
    const path = await folder();
    const file = join(path, 'boat.mp4');
    video.limits = [40_000];
    const first = downloadToFile(connect(video.url), ID, file);
    await partIn(path);
    const expected = { bytes: video.bytes.length, sha256: sha256(video.bytes) };
    expect(await downloadToFile(connect(video.url), ID, file)).toEqual(expected);
    video.cut();
    expect(await first).toEqual(expected);
    expect((await readFile(file)).equals(video.bytes)).toBe(true);
    expect(await readdir(path)).toEqual(['boat.mp4']);
  });

  it.each([
    ['whole one is not fetched again', (bytes: Buffer) => bytes, undefined],
    ['damaged one is refused and removed', (bytes: Buffer) => Buffer.alloc(bytes.length), 'DownloadError'],
    ['longer one is refused and removed', (bytes: Buffer) => Buffer.concat([bytes, bytes]), 'DownloadError'],
  ])('left by a crash: a %s', async (_, left, error) => {
    const video = await startVideoServer();
    const path = await folder();
    const part = `.boat.mp4.${sha256(video.bytes).slice(0, 16)}.part`;
    await writeFile(join(path, part), left(video.bytes));
    const saving = downloadToFile(connect(video.url), ID, join(path, 'boat.mp4'));
    if (error) expect(await failed(saving)).toMatchObject({ name: error });
    else expect(await saving).toMatchObject({ sha256: sha256(video.bytes) });
    expect(await readdir(path)).toEqual(error ? [] : ['boat.mp4']);
    // The first request tells what the bytes should be.
    expect(video.ranges[0]).toBeUndefined();
    if (!error) expect(video.ranges).toHaveLength(1);
  });

  it('of which the server tells no SHA-256 is never continued', async () => {
    const video = await startVideoServer();
    const path = await folder();
    video.headers = { etag: '"1"' };
    video.limits = [40_000];
    const controller = new AbortController();
    const aborted = downloadToFile(connect(video.url), ID, join(path, 'boat.mp4'), {
      signal: controller.signal,
    });
    await partIn(path);
    controller.abort(new Error('the user left'));
    await failed(aborted);
    expect(await readdir(path)).toEqual([]);
  });

  it.each([
    ['Repr-Digest', { 'repr-digest': `sha-256=:${Buffer.alloc(32).toString('base64')}:` }],
    ['the ETag of the gateway', { etag: `"${'0'.repeat(64)}"` }],
  ])('of another SHA-256 than %s is refused and leaves nothing', async (_, headers) => {
    const video = await startVideoServer();
    const path = await folder();
    video.headers = headers;
    const error = await failed(downloadToFile(connect(video.url), ID, join(path, 'boat.mp4')));
    expect(error).toBeInstanceOf(DownloadError);
    expect(error).toMatchObject({ message: expect.stringContaining('SHA-256') });
    expect(await readdir(path)).toEqual([]);
  });
});

describe('a server without …/content', () => {
  it.each([
    ['has a link', true],
    ['has JSON with base64', false],
  ])('%s', async (_, links) => {
    const reference = await startReference();
    reference.links = links;
    const client = new Onetake({ baseUrl: reference.url, apiKey: 'sk-1' });
    reference.statuses = ['succeeded'];
    const task = await client.generate({ model: 'sora-2', prompt: 'a paper boat' });
    const file = join(await folder(), 'boat.mp4');
    const saved = await downloadToFile(client, task.task_id, file);
    expect(saved).toEqual({ bytes: REFERENCE_VIDEO.length, sha256: sha256(REFERENCE_VIDEO) });
    expect(await readFile(file)).toEqual(REFERENCE_VIDEO);
  });

  it('has no task of another id, and no poster frames', async () => {
    const reference = await startReference();
    reference.statuses = ['succeeded'];
    const client = new Onetake({ baseUrl: reference.url, apiKey: 'sk-1' });
    const missing = await failed(client.download('video_none'));
    expect(missing).toBeInstanceOf(NotFoundError);
    expect(missing).toMatchObject({ taskId: 'video_none' });
    expect(await failed(client.download(ID, { variant: 'thumbnail' }))).toBeInstanceOf(DownloadError);
  });
});
