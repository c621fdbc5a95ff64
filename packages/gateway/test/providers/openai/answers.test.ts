import { describe, expect, it } from 'vitest';
import { STATUSES } from '../../../src/providers/openai/wire.ts';
import { UpstreamError } from '../../../src/providers/provider.ts';
import { REASONS } from '../../../src/tasks/reasons.ts';
import { readAll } from '../../support/http/readAll.ts';
import { sending } from '../../support/sending.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { aJob, ended, handleOf, openAccount, openUpstream, type Service, signal } from './world.ts';

/** An upstream that gives every call the same answer. */
async function answering(status: number, body: unknown, headers: Record<string, string> = {}) {
  const server = await serve((request, response) => {
    request.resume();
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  const provider = await openAccount({ base_url: `${server.origin}/v1`, api_key: 'sk-k1' });
  return { server, provider };
}

const HANDLE = handleOf(aJob(), 'video_1');

async function failureOf(call: Promise<unknown>): Promise<UpstreamError> {
  const error = await call.catch((thrown: unknown) => thrown);
  if (error instanceof UpstreamError) return error;
  throw new Error('it did not fail as adapters do', { cause: error });
}

describe('a status word', () => {
  it.each(Object.entries(STATUSES))('%s is %s', async (word, meaning) => {
    const { provider } = await answering(200, { id: 'video_1', status: word });
    expect((await provider.poll(HANDLE, signal())).state).toBe(meaning);
  });

  it('that is undocumented means that the job still runs', async () => {
    const { provider } = await answering(200, { id: 'video_1', status: 'polishing', progress: 140 });
    expect(await provider.poll(HANDLE, signal())).toEqual({ state: 'in_progress', progress: 100 });
  });
});

describe('an answer about a job', () => {
  it('has the progress, from 0 to 100', async () => {
    const { provider } = await answering(200, { id: 'video_1', status: 'in_progress', progress: 33.4 });
    expect(await provider.poll(HANDLE, signal())).toEqual({ state: 'in_progress', progress: 33.4 });
  });

  it.each([
    ['completed', { state: 'succeeded' }],
    ['failed', { state: 'failed' }],
  ])('that is %s has the time of its end', async (status, state) => {
    const { provider } = await answering(200, { id: 'video_1', status, completed_at: 1_790_000_000 });
    expect(await provider.poll(HANDLE, signal())).toMatchObject({ ...state, endedAt: 1_790_000_000_000 });
  });

  it.each([
    [{ 'openai-poll-after-ms': '2500' }, 2500],
    [{ 'openai-poll-after-ms': '2500', 'retry-after': '9' }, 2500],
    [{ 'openai-poll-after-ms': 'soon', 'retry-after': '9' }, 9000],
    [{ 'openai-poll-after-ms': '86400000' }, 600_000],
  ])('with the headers %j is not polled again for %i ms', async (headers, pollAfterMs) => {
    const { provider } = await answering(200, { id: 'video_1', status: 'queued' }, headers);
    expect(await provider.poll(HANDLE, signal())).toEqual({ state: 'queued', pollAfterMs });
  });

  it('has the expiry and the length of the video', async () => {
    const done = { id: 'video_1', status: 'completed', expires_at: 1_790_003_600, seconds: '8' };
    const { provider } = await answering(200, done);
    expect(await provider.poll(HANDLE, signal())).toEqual({
      state: 'succeeded',
      result: { ref: 'content', expiresAt: 1_790_003_600_000, duration: 8 },
    });
  });

  it('is read even if members other than id and status are odd or missing', async () => {
    const odd = { id: 'video_1', status: 'completed', expires_at: 'tomorrow', seconds: {}, error: 3 };
    const { provider } = await answering(200, odd);
    expect(await provider.poll(HANDLE, signal())).toEqual({ state: 'succeeded', result: { ref: 'content' } });
  });

  it.each([
    ['moderation_blocked', 'content_rejected', 'Your request was blocked.', 'Your request was blocked.'],
    ['moderation_blocked', 'content_rejected', undefined, 'Prompt contains inappropriate content'],
    ['content_filter', 'content_rejected', 'Filtered.', 'Filtered.'],
    ['video_generation_failed', 'upstream_failed', 'Worker 12 broke.', 'The upstream provider failed.'],
    ['processing_error', 'upstream_failed', 'Heavy load.', 'The upstream provider failed.'],
    ['something_new', 'upstream_failed', 'What?', 'The upstream provider failed.'],
    [undefined, 'upstream_failed', 'CUDA out of memory', 'The upstream provider failed.'],
  ])('failed with %s is %s', async (code, reason, message, words) => {
    const { provider } = await answering(200, { id: 'video_1', status: 'failed', error: { code, message } });
    const answer = await provider.poll(HANDLE, signal());
    expect(answer).toMatchObject({ state: 'failed', reason, message: words });
    if (answer.state === 'failed' && message !== undefined) expect(answer.detail).toContain(message);
  });

  it('that failed without an error still has a reason and a message', async () => {
    const { provider } = await answering(200, { id: 'video_1', status: 'failed', error: null });
    expect(await provider.poll(HANDLE, signal())).toMatchObject({
      state: 'failed',
      reason: 'upstream_failed',
    });
  });

  it.each([
    ['an OpenAI 404', { error: { message: "Video with id 'video_1' not found.", code: null } }],
    ['a FastAPI 404', { detail: 'Video not found' }],
  ])('that is %s means that the job is missing', async (_what, body) => {
    const { provider } = await answering(404, body);
    expect((await provider.poll(HANDLE, signal())).state).toBe('missing');
  });
});

/** An OpenAI error body. */
const refused = (message: string, code: string | null, type = 'invalid_request_error') => ({
  error: { message, type, param: null, code },
});

describe('a refused submission', () => {
  it.each([
    [
      400,
      refused('Your request was blocked by our moderation system.', 'moderation_blocked'),
      'content_rejected',
      'no',
    ],
    [400, refused('Rejected by the safety system.', null), 'content_rejected', 'no'],
    [400, refused("Invalid value: '5'.", 'invalid_value'), 'invalid_request', 'no'],
    [400, refused('Inpaint image must match the requested width and height', null), 'invalid_request', 'no'],
    [
      400,
      refused('Billing hard limit has been reached', 'billing_hard_limit_reached'),
      'quota_exhausted',
      'no',
    ],
    [401, refused('Incorrect API key provided: sk-k1.', 'invalid_api_key'), 'auth_failed', 'no'],
    [401, { error: 'Unauthorized' }, 'auth_failed', 'no'],
    [403, refused('Your organization must be verified.', null), 'auth_failed', 'no'],
    [404, refused("The model 'x' does not exist.", 'model_not_found'), 'upstream_failed', 'no'],
    [404, refused("The API deployment 'x' does not exist.", null), 'upstream_failed', 'no'],
    [408, refused('Timed out.', null), 'upstream_timeout', 'unknown'],
    [409, refused('Conflict.', null), 'invalid_request', 'unknown'],
    [422, { detail: [{ loc: ['body', 'size'], msg: 'bad' }] }, 'invalid_request', 'no'],
    [429, refused('Rate limit reached for sora-2.', 'rate_limit_exceeded', 'requests'), 'rate_limited', 'no'],
    [429, refused('Too many running tasks', null, 'video_generation_user_error'), 'rate_limited', 'no'],
    [429, refused('You exceeded your current quota.', 'insufficient_quota'), 'quota_exhausted', 'no'],
    [500, refused('The server had an error.', null, 'server_error'), 'upstream_unavailable', 'unknown'],
    [503, '<html>503</html>', 'upstream_unavailable', 'unknown'],
  ] as const)('%i %j is %s, created: %s, and is not repeated', async (status, body, reason, created) => {
    const { provider, server } = await answering(status, body);
    const error = await failureOf(provider.submit(aJob(), sending(signal())));
    expect(error).toMatchObject({ reason, created });
    expect(error.message.length).toBeGreaterThan(0);
    expect(`${error.detail} ${error.message} ${error.cause}`).not.toContain('sk-k1');
    expect(server.requests).toHaveLength(1);
  });

  it('shows the message of a content filter to the caller, but not that of an account problem', async () => {
    const filter = await answering(400, refused('Blocked. (request id: abc123)', 'moderation_blocked'));
    const { message, reason } = await failureOf(filter.provider.submit(aJob(), sending(signal())));
    expect([message, REASONS[reason].code]).toEqual(['Blocked.', 400]);
    const quota = await answering(429, refused('Org org-9 has no money.', 'insufficient_quota'));
    const error = await failureOf(quota.provider.submit(aJob(), sending(signal())));
    expect(error.message).not.toContain('org-9');
    expect(error.detail).toContain('org-9');
  });

  it.each([
    [{ 'retry-after': '7' }, 7000],
    [{ 'retry-after': '7', 'retry-after-ms': '350' }, 350],
  ])('says when to retry: %j', async (headers, wait) => {
    const { provider } = await answering(429, refused('Slow down.', 'rate_limit_exceeded'), headers);
    expect((await failureOf(provider.submit(aJob(), sending(signal())))).retryAfterMs).toBe(wait);
  });
});

describe('an unusable answer', () => {
  it.each([
    ['an error that calls itself a success', refused('Blocked.', 'moderation_blocked'), 'content_rejected'],
    ['JSON that breaks off', '{"id": "video_1", "sta', 'upstream_unavailable'],
    ['nothing', '', 'upstream_unavailable'],
    ['JSON of something else', { hello: 'world' }, 'upstream_unavailable'],
    ['a job without an id', { status: 'queued' }, 'upstream_unavailable'],
    ['more bytes than any honest one', `"${'x'.repeat(17 * 2 ** 20)}"`, 'upstream_unavailable'],
  ])('(%s) leaves a submission unknown, and the request is not repeated', async (_what, body, reason) => {
    const { provider, server } = await answering(200, body);
    expect(await failureOf(provider.submit(aJob(), sending(signal())))).toMatchObject({
      reason,
      created: 'unknown',
    });
    expect(server.requests).toHaveLength(1);
    await failureOf(provider.poll(HANDLE, signal()));
  });

  it('by a redirect is not followed, because its target would get the key', async () => {
    const elsewhere = await serve((_request, response) => response.end('{}'));
    const { provider } = await answering(307, '', { location: `${elsewhere.origin}/v1/videos` });
    expect(await failureOf(provider.submit(aJob(), sending(signal())))).toMatchObject({ created: 'unknown' });
    await failureOf(provider.poll(HANDLE, signal()));
    expect(elsewhere.requests).toEqual([]);
  });

  it('because nobody listens says that nothing was sent', async () => {
    const { simulators, provider } = await openUpstream();
    await simulators.upstream('openai').outage();
    expect(await failureOf(provider.submit(aJob(), sending(signal())))).toMatchObject({
      reason: 'upstream_unavailable',
      created: 'no',
    });
  });

  it('for a wrong key during a poll is an error and not a verdict on the job', async () => {
    const upstream = await openUpstream();
    const { upstreamId } = await upstream.provider.submit(aJob({ prompt: '[hold]' }), sending(signal()));
    upstream.simulators.upstream('openai').accounts.set('default', 'revoked');
    const error = await failureOf(upstream.provider.poll(handleOf(aJob(), upstreamId), signal()));
    expect(error.reason).toBe('auth_failed');
    expect(`${error.detail}${error.message}`).not.toContain(upstream.key.slice(0, 8));
  });
});

describe('the account upstream', () => {
  it.each([
    ['openai', 'quota_exhausted', 'quota_exhausted'],
    ['openai', 'overdue', 'quota_exhausted'],
    ['openai', 'forbidden', 'auth_failed'],
    ['openai', 'revoked', 'auth_failed'],
    ['azure', 'revoked', 'auth_failed'],
    ['vllm-omni', 'revoked', 'auth_failed'],
  ] as const)('of %s that is %s is %s', async (service, state, reason) => {
    const { simulators, provider } = await openUpstream(service as Service);
    simulators.upstream(service).accounts.set('default', state);
    expect(await failureOf(provider.submit(aJob(), sending(signal())))).toMatchObject({
      reason,
      created: 'no',
    });
  });

  it('of Azure has two places, and a third job waits', async () => {
    const { provider } = await openUpstream('azure');
    for (const _ of [1, 2]) await provider.submit(aJob({ prompt: '[hold]' }), sending(signal()));
    const error = await failureOf(provider.submit(aJob(), sending(signal())));
    expect(error).toMatchObject({ reason: 'rate_limited', created: 'no' });
  });
});

describe('the bytes', () => {
  it('may come from another origin after a redirect, which does not get the key', async () => {
    const storage = await serve((_request, response) => response.end('the video'));
    const front = await serve((_request, response) => {
      response.writeHead(302, { location: `${storage.origin}/blob?sig=1` });
      response.end();
    });
    for (const flavour of ['openai', 'azure'] as const) {
      const account = { base_url: `${front.origin}/v1`, api_key: 'sk-k1', flavour, organization: 'org-1' };
      const provider = await openAccount(account);
      const { stream } = await provider.open(HANDLE, { ref: 'content' }, 0, signal());
      expect((await readAll(stream)).toString()).toBe('the video');
    }
    expect(front.requests.map(({ url }) => url)).toEqual(Array(2).fill('/v1/videos/video_1/content'));
    expect(front.requests.map(({ headers }) => headers.authorization ?? headers['api-key'])).toEqual([
      'Bearer sk-k1',
      'sk-k1',
    ]);
    const told = JSON.stringify(storage.requests.map(({ headers }) => headers));
    expect(told).not.toMatch(/sk-k1|org-1/);
  });

  it('are behind the link of a job at SGLang Diffusion that has one, without the key', async () => {
    const upstream = await openUpstream('sglang');
    upstream.simulators.upstream('sglang').configure({ cloudStorage: true });
    const handle = await ended(upstream, aJob());
    const answer = await upstream.provider.poll(handle, signal());
    if (answer.state !== 'succeeded') throw new Error(answer.state);
    const { stream } = await upstream.provider.open(handle, answer.result, 0, signal());
    expect((await readAll(stream)).subarray(4, 8).toString('latin1')).toBe('ftyp');

    const storage = await serve((_request, response) => response.end('the video'));
    await upstream.provider.open(handle, { ref: `${storage.origin}/v.mp4` }, 0, signal());
    expect(storage.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  it('of an expired video are lost', async () => {
    const upstream = await openUpstream();
    const handle = await ended(upstream, aJob());
    const answer = await upstream.provider.poll(handle, signal());
    if (answer.state !== 'succeeded') throw new Error(answer.state);
    upstream.simulators.advance(2 * 3_600_000);
    expect((await failureOf(upstream.provider.open(handle, answer.result, 0, signal()))).reason).toBe(
      'result_lost',
    );
  });
});

describe('cancelling', () => {
  it('is not offered if the service deletes only jobs that are over', async () => {
    expect((await openUpstream('openai')).provider.cancel).toBeUndefined();
    expect((await openUpstream('azure')).provider.cancel).toBeUndefined();
  });

  it('is not offered at SGLang Diffusion, whose deletions leave jobs running', async () => {
    expect((await openUpstream('sglang')).provider.cancel).toBeUndefined();
  });

  it('at a server that refuses to delete a running job is too late, and the job goes on', async () => {
    const { open } = await openUpstream('openai');
    const provider = await open({ flavour: 'compatible' });
    const job = aJob({ prompt: '[hold]' });
    const handle = handleOf(job, (await provider.submit(job, sending(signal()))).upstreamId);
    expect(await provider.cancel?.(handle, signal())).toBe('too_late');
    expect((await provider.poll(handle, signal())).state).not.toBe('missing');
  });

  it('of a job that is over never deletes its video', async () => {
    const upstream = await openUpstream('vllm-omni');
    const handle = await ended(upstream, aJob());
    expect(await upstream.provider.cancel?.(handle, signal())).toBe('too_late');
    expect(upstream.simulators.ledger.count({ operation: 'delete' })).toBe(0);
  });
});

describe('the copy upstream', () => {
  it('is kept unless the account says otherwise', async () => {
    const { provider, open } = await openUpstream();
    expect(provider.discard).toBeUndefined();
    expect((await open({ delete_after_collect: true })).discard).toBeDefined();
  });
});
