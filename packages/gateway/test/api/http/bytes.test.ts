import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Json, startTestGateway, type TestGateway } from '../../support/gateway.ts';

let t: TestGateway;
let task: Json;
let path: string;
let whole: Buffer;
let etag: string;

beforeAll(async () => {
  t = await startTestGateway();
  task = await t.finished();
  path = `/v1/video/generations/${task.task_id}/content`;
  const response = await t.call(path);
  whole = Buffer.from(await response.arrayBuffer());
  etag = response.headers.get('etag') ?? '';
});
afterAll(() => t.end());

const bytesOf = async (response: Response) => Buffer.from(await response.arrayBuffer());

describe('the bytes of a video', () => {
  it('are sent with their length, type, name and a strong ETag', async () => {
    const { headers } = await t.call(path, { method: 'HEAD' });
    expect(headers.get('content-length')).toBe(String(whole.length));
    expect(headers.get('content-type')).toBe('video/mp4');
    expect(headers.get('accept-ranges')).toBe('bytes');
    expect(headers.get('content-disposition')).toBe(`attachment; filename="${task.task_id}.mp4"`);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('etag')).toMatch(/^"[0-9a-f]{64}"$/);
  });

  it.each([
    ['bytes=0-99', 0, 99],
    ['bytes=100-', 100, undefined],
    ['bytes=-50', -50, undefined],
    ['bytes=0-0', 0, 0],
  ])('%s returns that part', async (range, start, end) => {
    const response = await t.call(path, { headers: { range } });
    const from = start < 0 ? whole.length + start : start;
    const to = end ?? whole.length - 1;
    expect(response.status).toBe(206);
    expect(response.headers.get('content-range')).toBe(`bytes ${from}-${to}/${whole.length}`);
    expect((await bytesOf(response)).equals(whole.subarray(from, to + 1))).toBe(true);
  });

  it('a range beyond the end is answered with 416 and the length', async () => {
    const response = await t.call(path, { headers: { range: `bytes=${whole.length}-` } });
    expect(response.status).toBe(416);
    expect(response.headers.get('content-range')).toBe(`bytes */${whole.length}`);
    expect(((await response.json()) as Json).error.code).toBe(416);
  });

  it.each(['bytes=abc', 'lines=1-2', 'bytes=0-1,5-9'])(
    '%s is ignored: the whole video is sent',
    async (range) => {
      const response = await t.call(path, { headers: { range } });
      expect(response.status).toBe(200);
      expect((await bytesOf(response)).equals(whole)).toBe(true);
    },
  );

  it('If-Range with another version returns the whole video, with this version the part', async () => {
    const stale = await t.call(path, { headers: { range: 'bytes=0-9', 'if-range': '"other"' } });
    expect(stale.status).toBe(200);
    await stale.arrayBuffer();
    const current = await t.call(path, { headers: { range: 'bytes=0-9', 'if-range': etag } });
    expect(current.status).toBe(206);
    expect((await bytesOf(current)).length).toBe(10);
  });

  it('are answered with 304 if the client has them', async () => {
    const response = await t.call(path, { headers: { 'if-none-match': etag } });
    expect(response.status).toBe(304);
    const since = await t.call(path, {
      headers: { 'if-modified-since': new Date(Date.now() + 60_000).toUTCString() },
    });
    expect(since.status).toBe(304);
  });

  it('HEAD ignores ranges but evaluates conditions', async () => {
    const head = await t.call(path, { method: 'HEAD', headers: { range: `bytes=${whole.length}-` } });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(whole.length)]);
    expect((await t.call(path, { method: 'HEAD', headers: { 'if-none-match': etag } })).status).toBe(304);
    expect((await t.call(path, { method: 'HEAD', headers: { 'if-match': '"other"' } })).status).toBe(412);
  });

  it('a satisfiable range beside an unsatisfiable one is answered', async () => {
    const response = await t.call(path, { headers: { range: `bytes=${whole.length}-,0-9` } });
    expect([response.status, response.headers.get('content-range')]).toEqual([
      206,
      `bytes 0-9/${whole.length}`,
    ]);
    expect((await bytesOf(response)).equals(whole.subarray(0, 10))).toBe(true);
  });

  it.each([[{ 'if-match': '"other"' }], [{ 'if-unmodified-since': new Date(0).toUTCString() }]])(
    'a state other than %j requires is answered with 412',
    async (headers) => {
      const { status, body } = await t.json(path, { headers });
      expect([status, body.error.reason]).toEqual([412, 'precondition_failed']);
    },
  );

  it('a 304 has the caching headers of a 200', async () => {
    const [found, same] = [await t.call(path), await t.call(path, { headers: { 'if-none-match': etag } })];
    await found.arrayBuffer();
    for (const name of ['etag', 'last-modified', 'cache-control']) {
      expect(same.headers.get(name)).toBe(found.headers.get(name));
    }
  });

  it.each(['application/json', 'video/mp4'])(
    'the download endpoint evaluates conditions for each form: %s',
    async (accept) => {
      const url = `/v1/video/generations/download?id=${task.task_id}`;
      const found = await t.call(url, { headers: { accept } });
      await found.arrayBuffer();
      expect(found.headers.get('vary')).toBe('accept');
      const tag = found.headers.get('etag') ?? '';
      expect((await t.call(url, { headers: { accept, 'if-none-match': tag } })).status).toBe(304);
      expect((await t.call(url, { headers: { accept, 'if-match': '"x"' } })).status).toBe(412);
    },
  );

  it('the download endpoint sends the length of its JSON before it streams it', async () => {
    const url = `/v1/video/generations/download?id=${task.task_id}`;
    const head = await t.call(url, { method: 'HEAD' });
    const body = await (await t.call(url)).text();
    expect(head.headers.get('content-length')).toBe(String(Buffer.byteLength(body)));
  });

  it('the thumbnail is a JPEG, through content, download and link', async () => {
    for (const response of [
      await t.call(`${path}?variant=thumbnail`),
      await t.call(`/v1/video/generations/download?id=${task.task_id}&variant=thumbnail`),
      await fetch(task.thumbnail_url),
    ]) {
      expect(response.headers.get('content-type')).toBe('image/jpeg');
      expect((await bytesOf(response)).subarray(0, 3).toString('hex')).toBe('ffd8ff');
    }
  });

  it('an unknown variant is answered with 400', async () => {
    expect((await t.call(`${path}?variant=gif`)).status).toBe(400);
  });
});
