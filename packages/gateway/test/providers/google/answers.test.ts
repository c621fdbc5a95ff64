import type { AccountState } from '@onetake/simulators';
import { describe, expect, it } from 'vitest';
import { answerOf } from '../../../src/providers/google/veo/wire.ts';
import { type Answer, UpstreamError } from '../../../src/providers/provider.ts';
import type { Reason } from '../../../src/tasks/reasons.ts';
import { readAll } from '../../support/http/readAll.ts';
import { sending } from '../../support/sending.ts';
import { aJob, handleOf, open, type Service, signal } from './world.ts';

const SERVICES = ['gemini', 'vertex'] as const;

async function failure(call: Promise<unknown>): Promise<UpstreamError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof UpstreamError) return error;
  throw new Error(`not an UpstreamError: ${error}`);
}

/** The outcome of a job with this prompt. */
async function endOf(
  service: Service,
  marker: string,
  settings: Record<string, unknown> = {},
): Promise<Answer> {
  const { simulators, provider } = await open(service);
  simulators.upstream(service).configure(settings);
  const job = aJob(service, { prompt: `a paper boat ${marker}` });
  const { upstreamId } = await provider.submit(job, sending(signal()));
  expect((await provider.poll(handleOf(job, upstreamId), signal())).state).toBe('in_progress');
  simulators.finishAll();
  return provider.poll(handleOf(job, upstreamId), signal());
}

it('a job in a domain-scoped project is started, polled and downloaded', async () => {
  const project = 'example.com:my-project';
  const { simulators, provider } = await open('vertex', { project });
  simulators.upstream('vertex').configure({ project });
  const job = aJob('vertex', { prompt: 'a paper boat' });
  const { upstreamId } = await provider.submit(job, sending(signal()));
  expect(upstreamId).toContain(project);
  simulators.finishAll();
  const handle = handleOf(job, upstreamId);
  const answer = await provider.poll(handle, signal());
  if (answer.state !== 'succeeded') throw new Error(`the job ${answer.state}`);
  const { stream } = await provider.open(handle, answer.result, 0, signal());
  expect((await readAll(stream)).toString('latin1', 4, 8)).toBe('ftyp');
});

describe.each(SERVICES)('a job on %s', (service) => {
  it('whose videos were all filtered is refused content, with the message of the filter', async () => {
    const answer = await endOf(service, '[filtered]');
    expect(answer).toMatchObject({ state: 'failed', reason: 'content_rejected' });
    if (answer.state === 'failed') expect(answer.message).toContain('usage guidelines');
  });

  it('whose videos were partly filtered succeeds with the others', async () => {
    expect((await endOf(service, '[partial]')).state).toBe('succeeded');
  });

  it.each<[string, Record<string, unknown>, Reason]>([
    ['[moderation]', {}, 'content_rejected'],
    ['[invalid]', {}, 'invalid_request'],
    ['[fail]', { failureCode: 8 }, 'upstream_failed'],
    ['[fail]', { failureCode: 13 }, 'upstream_failed'],
    ['[fail]', { failureCode: 14 }, 'upstream_failed'],
    ['[expire]', {}, 'upstream_failed'],
  ])('that ends as %s %o fails as %s', async (marker, settings, reason) => {
    const answer = await endOf(service, marker, settings);
    expect(answer).toMatchObject({ state: 'failed', reason });
    if (answer.state === 'failed') expect(answer.detail).toMatch(/^[A-Z_]+ /);
  });

  it('whose parameters are refused later fails as an invalid request with the cause', async () => {
    const { simulators, provider } = await open(service);
    simulators.upstream(service).configure({ lateChecks: true });
    const job = aJob(service, { duration: 5 });
    const { upstreamId } = await provider.submit(job, sending(signal()));
    simulators.finishAll();
    expect(await provider.poll(handleOf(job, upstreamId), signal())).toMatchObject({
      state: 'failed',
      reason: 'invalid_request',
      message: expect.stringContaining('supported durations are [4,6,8]'),
    });
  });

  it('has the expiry that the service documents', async () => {
    const answer = await endOf(service, '');
    if (answer.state !== 'succeeded') throw new Error(answer.state);
    const { expiresAt } = answer.result;
    if (service === 'vertex') expect(expiresAt).toBeUndefined();
    else expect(Math.abs((expiresAt ?? 0) - Date.now() - 48 * 3_600_000)).toBeLessThan(60_000);
  });
});

describe('an operation', () => {
  const done = (response: unknown) => answerOf({ name: 'x', done: true, response }, undefined, String);

  it('is read in every form that Google uses', () => {
    const uri = 'https://example.com/files/1';
    const told = [
      { generateVideoResponse: { generatedSamples: [{ video: { uri } }] } },
      { generatedSamples: [{ video: { uri } }] },
      { videos: [{ gcsUri: uri, mimeType: 'video/mp4' }] },
      { generateVideoResponse: { videos: [{ gcsUri: uri }] } },
    ];
    for (const response of told) expect(done(response)).toEqual({ state: 'succeeded', result: { ref: uri } });
  });

  it('that is done without a video has failed, with or without a reason', () => {
    for (const response of [undefined, {}, { videos: [] }, { generateVideoResponse: {} }]) {
      expect(done(response)).toMatchObject({ state: 'failed', reason: 'upstream_failed' });
    }
    for (const response of [
      { raiMediaFilteredCount: 1 },
      { generateVideoResponse: { raiMediaFilteredReasons: ['Blocked.'] } },
    ]) {
      expect(done(response)).toMatchObject({ state: 'failed', reason: 'content_rejected' });
    }
  });

  it('that was filtered tells nobody a secret', () => {
    const response = { raiMediaFilteredReasons: ['Blocked for key s3cret.'] };
    const scrub = (text: string) => text.replaceAll('s3cret', '[secret]');
    expect(answerOf({ name: 'x', done: true, response }, undefined, scrub)).toMatchObject({
      message: 'Blocked for key [secret].',
      detail: 'filtered 0: Blocked for key [secret].',
    });
  });

  it('has a reason for every code of google.rpc', () => {
    const reasons: Partial<Record<number, Reason>> = {
      1: 'cancelled',
      3: 'invalid_request',
      4: 'expired',
      7: 'auth_failed',
    };
    for (let code = 0; code <= 17; code++) {
      expect(
        answerOf({ name: 'x', done: true, error: { code, message: 'Something.' } }, undefined, String),
      ).toMatchObject({
        state: 'failed',
        reason: reasons[code] ?? 'upstream_failed',
      });
    }
    const filtered = { code: 3, message: 'It violates our usage guidelines. Support codes: 1' };
    expect(answerOf({ name: 'x', done: true, error: filtered }, undefined, String)).toMatchObject({
      reason: 'content_rejected',
    });
  });

  it('that cannot be read is an error and not a verdict', () => {
    for (const odd of [undefined, null, 'x', {}, [], { error: { code: 5 } }]) {
      expect(() => answerOf(odd, undefined, String)).toThrow(UpstreamError);
    }
  });
});

describe('a refusal', () => {
  it.each<[Service, AccountState, Reason]>([
    ['gemini', 'revoked', 'auth_failed'],
    ['gemini', 'forbidden', 'auth_failed'],
    ['gemini', 'overdue', 'quota_exhausted'],
    ['gemini', 'quota_exhausted', 'quota_exhausted'],
    ['vertex', 'revoked', 'auth_failed'],
    ['vertex', 'forbidden', 'auth_failed'],
    ['vertex', 'overdue', 'quota_exhausted'],
    ['vertex', 'quota_exhausted', 'rate_limited'],
  ])('by %s of an account that is %s is %s, and no job was created', async (service, state, reason) => {
    const { simulators, provider } = await open(service);
    simulators.upstream(service).accounts.set('default', state);
    expect(await failure(provider.submit(aJob(service), sending(signal())))).toMatchObject({
      reason,
      created: 'no',
    });
    expect(simulators.ledger.jobs()).toHaveLength(0);
  });

  it.each(SERVICES)('by %s of a key during a poll is not a verdict on the job', async (service) => {
    const { simulators, provider } = await open(service);
    const job = aJob(service);
    const { upstreamId } = await provider.submit(job, sending(signal()));
    simulators.upstream(service).accounts.set('default', 'revoked');
    expect(await failure(provider.poll(handleOf(job, upstreamId), signal()))).toMatchObject({
      reason: 'auth_failed',
    });
  });

  it.each(SERVICES)('by %s of a prompt is shown to the caller, and any other is not', async (service) => {
    const { simulators, provider } = await open(service);
    const refused = await failure(
      provider.submit(aJob(service, { prompt: 'a boat [moderation-input]' }), sending(signal())),
    );
    expect(refused).toMatchObject({ reason: 'content_rejected', created: 'no' });
    expect(refused.message).toContain('usage guidelines');
    expect(await failure(provider.submit(aJob(service, { duration: 5 }), sending(signal())))).toMatchObject({
      reason: 'invalid_request',
      created: 'no',
      message: expect.stringContaining('supported durations'),
    });
    simulators.upstream(service).accounts.set('default', 'forbidden');
    const denied = await failure(provider.submit(aJob(service), sending(signal())));
    expect(denied.message).not.toMatch(/project/i);
    expect(denied.detail).toMatch(/project/i);
  });

  it.each(SERVICES)('by %s because of a rate limit says when to retry', async (service) => {
    const { provider } = await open(service);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 80 }, () => provider.submit(aJob(service), sending(signal()))),
    );
    const refused = outcomes.find((outcome) => outcome.status === 'rejected');
    expect(refused?.reason).toMatchObject({ reason: 'rate_limited', created: 'no' });
    expect(refused?.reason.retryAfterMs).toBeGreaterThan(0);
  });

  it.each(SERVICES)('by %s of a retired model is clear', async (service) => {
    const { provider } = await open(service);
    const job = { ...aJob(service), upstreamModel: 'veo-3.0-generate-001' };
    const refused = await failure(provider.submit(job, sending(signal())));
    expect(refused).toMatchObject({ reason: 'upstream_failed', created: 'no' });
    expect(refused.detail).toContain("the upstream's name of the model");
    expect(refused.message).not.toContain('onetake-simulators');
    if (service === 'vertex') expect(refused.detail).toContain('onetake-simulators');
  });
});

describe.each(SERVICES)('trouble with %s', (service) => {
  it('after a submission was accepted leaves the outcome unknown, and the submission is not repeated', async () => {
    for (const kind of ['lost_answer', 'malformed_json', 'empty_body', 'truncated_body'] as const) {
      const { simulators, provider } = await open(service);
      simulators.faults.add({ kind, operation: 'submit', count: 1 });
      expect((await failure(provider.submit(aJob(service), sending(signal())))).created, kind).toBe(
        'unknown',
      );
      expect(simulators.ledger.jobs(), kind).toHaveLength(1);
      expect(simulators.ledger.count({ operation: 'submit' }), kind).toBe(1);
    }
  });

  it('of its own leaves the outcome unknown, but an overload does not', async () => {
    const { simulators, provider } = await open(service);
    for (const rule of [{ status: 500 }, { status: 503 }, { status: 502, html: true }]) {
      simulators.faults.add({ kind: 'server_error', operation: 'submit', count: 1, ...rule });
      expect(await failure(provider.submit(aJob(service), sending(signal())))).toMatchObject({
        reason: 'upstream_unavailable',
        created: 'unknown',
      });
    }
    simulators.faults.add({ kind: 'rate_limited', operation: 'submit', count: 1, retryAfter: 34 });
    expect(await failure(provider.submit(aJob(service), sending(signal())))).toMatchObject({
      reason: 'rate_limited',
      created: 'no',
      retryAfterMs: 34_000,
    });
  });

  it('during a poll is an error, whatever the body is', async () => {
    const { simulators, provider } = await open(service);
    const job = aJob(service);
    const { upstreamId } = await provider.submit(job, sending(signal()));
    simulators.finishAll();
    for (const kind of ['reset', 'empty_body', 'server_error'] as const) {
      simulators.faults.add({ kind, operation: 'poll', count: 1 });
      await failure(provider.poll(handleOf(job, upstreamId), signal()));
    }
    expect((await provider.poll(handleOf(job, upstreamId), signal())).state).toBe('succeeded');
  });
});
