import { describe, expect, it } from 'vitest';
import { createSdkFetch, responseOf } from '../../../src/providers/http/sdkFetch.ts';
import type { RawAnswer, RawCall } from '../../../src/providers/http/upstreamHttp.ts';

const ADDRESS = 'https://upstream.test/videos?x=1';
const maySend = () => true;

/** What an SDK's `fetch` sends, and the answer to it. */
function fetching(answer: Partial<RawAnswer> = {}, options: { maxBytes?: number } = {}) {
  const calls: RawCall[] = [];
  const fetch = createSdkFetch({
    http: {
      async raw(call) {
        calls.push(call);
        return { status: 200, headers: {}, body: Buffer.from('{}'), ...answer };
      },
    },
    maySend,
    headers: () => ({ authorization: 'Bearer ours' }),
    methods: ['GET', 'POST'],
    ...options,
  });
  return { calls, fetch };
}

describe('what an SDK sends', () => {
  it('has the account’s credentials, and only the SDK’s headers about the request', async () => {
    const { calls, fetch } = fetching();
    const own = {
      accept: 'application/json',
      'content-type': 'application/json',
      'idempotency-key': 'one',
      'user-agent': 'sdk/1',
    };
    const signal = AbortSignal.timeout(1000);
    const strange = { authorization: 'Bearer theirs', 'openai-organization': 'theirs', cookie: 'a=b' };
    await fetch(ADDRESS, { method: 'POST', headers: { ...own, ...strange }, body: '{"a":1}', signal });
    const [call] = calls;
    expect(call).toMatchObject({ url: ADDRESS, method: 'POST', maxBytes: 4 * 2 ** 20, maySend });
    expect(call?.headers).toEqual({ ...own, authorization: 'Bearer ours' });
    expect(Buffer.from(call?.body ?? []).toString()).toBe('{"a":1}');
  });

  it('has no body without one, and the given limit', async () => {
    const { calls, fetch } = fetching({}, { maxBytes: 10 });
    await fetch(ADDRESS);
    expect(calls[0]).toMatchObject({ method: 'GET', maxBytes: 10 });
    expect(calls[0]).not.toHaveProperty('body');
  });

  it('ends with its signal', async () => {
    const { calls, fetch } = fetching();
    const caller = new AbortController();
    await fetch(ADDRESS, { signal: caller.signal });
    await fetch(ADDRESS, { method: 'POST', body: '{}', signal: caller.signal });
    expect(calls.map(({ signal }) => signal.aborted)).toEqual([false, false]);
    caller.abort();
    expect(calls.map(({ signal }) => signal.aborted)).toEqual([true, true]);
  });

  it('has an allowed method, or is refused', async () => {
    const { calls, fetch } = fetching();
    await expect(fetch(ADDRESS, { method: 'DELETE' })).rejects.toThrow('DELETE');
    expect(calls).toEqual([]);
  });

  it('has the texts and files of a form unchanged', async () => {
    const { calls, fetch } = fetching();
    const form = new FormData();
    form.append('prompt', 'one\ntwo\r\nthree');
    form.append('a "name"\r\n', 'x');
    form.append('image', new File([Buffer.from([0, 1, 255])], 'a"b.png', { type: 'image/png' }));
    form.append('other', new File(['y'], 'plain'));
    await fetch(ADDRESS, { method: 'POST', body: form, headers: { accept: 'a/b' } });
    const { headers, body } = calls[0] ?? {};
    const [, boundary = ''] =
      /^multipart\/form-data; boundary=(onetake-[\w-]+)$/.exec(headers?.['content-type'] ?? '') ?? [];
    expect(boundary).not.toBe('');
    expect(headers?.accept).toBe('a/b');
    const part = (head: string, content: string) =>
      `--${boundary}\r\ncontent-disposition: form-data; name=${head}\r\n\r\n${content}\r\n`;
    expect(Buffer.from(body ?? []).toString('latin1')).toBe(
      [
        part('"prompt"', 'one\ntwo\r\nthree'),
        part('"a %22name%22%0D%0A"', 'x'),
        part('"image"; filename="a%22b.png"\r\ncontent-type: image/png', '\0\x01\xff'),
        part('"other"; filename="plain"\r\ncontent-type: application/octet-stream', 'y'),
        `--${boundary}--\r\n`,
      ].join(''),
    );
  });
});

describe('what an SDK reads', () => {
  it('is the answer with its status and headers, except those about the wire', async () => {
    const headers = {
      'content-type': 'text/plain',
      'content-length': '9',
      'content-encoding': 'gzip',
      'transfer-encoding': 'chunked',
      'set-cookie': ['a=1', 'b=2'],
      'x-nothing': undefined,
    };
    const { fetch } = fetching({ status: 404, headers, body: Buffer.from('gone') });
    const answer = await fetch(ADDRESS);
    expect(answer.status).toBe(404);
    expect([...answer.headers]).toEqual([
      ['content-type', 'text/plain'],
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
    ]);
    expect(await answer.text()).toBe('gone');
  });

  it.each([204, 205, 304])('has no body with status %i', (status) => {
    expect(responseOf({ status, headers: {}, body: 'text' }).body).toBeNull();
  });

  it('has no body if it is empty, and a body if it is a text', async () => {
    expect(responseOf({ status: 200, headers: {}, body: '' }).body).toBeNull();
    expect(await responseOf({ status: 200, headers: {}, body: 'text' }).text()).toBe('text');
  });
});
