import { describe, expect, it } from 'vitest';
import { UpstreamError } from '../../../src/providers/provider.ts';
import { arkAt } from './world.ts';

const CALLBACK = { url: 'https://video.example.com/callbacks/ark', token: 'a-token-that-cannot-be-guessed' };

const provider = () => arkAt('http://127.0.0.1:9/api/v3', { callback: CALLBACK });

const notice = (token: unknown, body: string) => ({
  headers: {},
  rawBody: Buffer.from(body),
  query: token === undefined ? {} : { token },
});

describe('a callback', () => {
  it('with the token of the account names its task', async () => {
    const body = JSON.stringify({ id: 'cgt-1', status: 'succeeded', content: { video_url: 'https://x' } });
    expect(await provider().verifyCallback?.(notice(CALLBACK.token, body))).toEqual(['cgt-1']);
  });

  it.each([[undefined], [''], ['another'], [`${CALLBACK.token}x`], [[CALLBACK.token]]])(
    'with the token %j is not genuine',
    async (token) => {
      await expect(provider().verifyCallback?.(notice(token, '{"id":"cgt-1"}'))).rejects.toBeInstanceOf(
        UpstreamError,
      );
    },
  );

  it.each(['', '{"id":', '{}', '{"id":""}', '[]'])('with the body %j names no task', async (body) => {
    expect(await provider().verifyCallback?.(notice(CALLBACK.token, body))).toEqual([]);
  });

  it('is not offered if the gateway has no URL that Ark could reach', () => {
    expect(arkAt('http://127.0.0.1:9/api/v3').verifyCallback).toBeUndefined();
  });
});
