import type { FaultRule } from '@onetake/simulators';
import { describe, expect, it } from 'vitest';
import { UpstreamError } from '../../../src/providers/provider.ts';
import { readAll } from '../../support/http/readAll.ts';
import { sending } from '../../support/sending.ts';
import { NAMES, openWith, type Service, soon, starting, startWorld, type World } from './world.ts';

const errorOf = async (call: Promise<unknown>): Promise<UpstreamError> => {
  const outcome = await call.then(
    () => new Error('nothing was thrown'),
    (error: unknown) => error,
  );
  if (outcome instanceof UpstreamError) return outcome;
  throw outcome;
};

const submissions = ({ simulators }: World): number => simulators.ledger.count({ operation: 'submit' });

describe.each(NAMES)('submitting to %s', (name) => {
  it.each<[string, Omit<FaultRule, 'operation'>]>([
    ['the connection breaks in place of the answer', { kind: 'lost_answer' }],
    ['the connection breaks before', { kind: 'reset' }],
    ['the service is unavailable', { kind: 'server_error', status: 503 }],
    ['a load balancer answers', { kind: 'server_error', status: 502, html: true }],
    ['the answer breaks off', { kind: 'malformed_json' }],
    ['the answer is cut short', { kind: 'truncated_body' }],
    ['the answer is empty', { kind: 'empty_body' }],
  ])('is never repeated and has an unknown outcome if %s', async (_what, fault) => {
    const world = await startWorld(name);
    world.simulators.faults.add({ ...fault, operation: 'submit' });
    const error = await errorOf(world.provider.submit(starting(name), sending(soon())));
    expect(error).toMatchObject({ created: 'unknown' });
    expect(['upstream_unavailable', 'upstream_timeout']).toContain(error.reason);
    expect(submissions(world)).toBe(1);
  });

  it('certainly created nothing if nobody listens', async () => {
    const world = await startWorld(name);
    await world.simulators.upstream(name).outage();
    expect(await errorOf(world.provider.submit(starting(name), sending(soon())))).toMatchObject({
      created: 'no',
      reason: 'upstream_unavailable',
    });
  });

  it('reports how long the service asks to wait', async () => {
    const world = await startWorld(name);
    world.simulators.faults.add({ kind: 'rate_limited', operation: 'submit', retryAfter: 7 });
    expect(await errorOf(world.provider.submit(starting(name), sending(soon())))).toMatchObject({
      created: 'no',
      reason: 'rate_limited',
      retryAfterMs: 7000,
    });
  });

  it.each([
    ['revoked', 'auth_failed'],
    ['quota_exhausted', 'quota_exhausted'],
  ] as const)('with an account that is %s is %s', async (state, reason) => {
    const world = await startWorld(name);
    world.simulators.upstream(name).accounts.set('default', state);
    expect(await errorOf(world.provider.submit(starting(name), sending(soon())))).toMatchObject({
      created: 'no',
      reason,
    });
  });

  it('says what is wrong with a request, but does not show the key', async () => {
    const world = await startWorld(name);
    const job = starting(name, { upstreamModel: 'no-such/model' });
    const error = await errorOf(world.provider.submit(job, sending(soon())));
    expect(error).toMatchObject({ created: 'no' });
    expect(['invalid_request', 'upstream_failed']).toContain(error.reason);
    expect(`${error.message} ${error.detail}`).toMatch(/no-such/);
  });
});

describe.each(NAMES)('polling %s', (name) => {
  it.each<[string, Omit<FaultRule, 'operation'>, string]>([
    ['is unavailable', { kind: 'server_error', status: 503 }, 'upstream_unavailable'],
    ['fails by itself', { kind: 'server_error', status: 500 }, 'upstream_unavailable'],
    ['hides behind a load balancer', { kind: 'server_error', html: true }, 'upstream_unavailable'],
    ['limits polls', { kind: 'rate_limited', retryAfter: 3 }, 'rate_limited'],
    ['drops the connection', { kind: 'reset' }, 'upstream_unavailable'],
    ['answers half', { kind: 'malformed_json' }, 'upstream_unavailable'],
    ['answers nothing', { kind: 'empty_body' }, 'upstream_unavailable'],
  ])('that %s is not a verdict, and the job succeeds afterwards', async (_what, fault, reason) => {
    const world = await startWorld(name);
    const handle = await world.started();
    world.passTime();
    world.simulators.faults.add({ ...fault, operation: 'poll', count: 1 });
    expect(await errorOf(world.provider.poll(handle, soon()))).toMatchObject({ reason });
    expect(await world.provider.poll(handle, soon())).toMatchObject({ state: 'succeeded' });
  });

  it('with a revoked key is an error and not a verdict on the job', async () => {
    const world = await startWorld(name);
    const handle = await world.started();
    world.simulators.upstream(name).accounts.set('default', 'revoked');
    expect(await errorOf(world.provider.poll(handle, soon()))).toMatchObject({ reason: 'auth_failed' });
  });

  it('a job that its service has forgotten is answered with "missing"', async () => {
    const world = await startWorld(name);
    const handle = await world.started();
    const upstream = world.simulators.upstream(name);
    for (const job of upstream.jobs.all()) upstream.jobs.remove(job);
    expect(await world.provider.poll(handle, soon())).toMatchObject({ state: 'missing' });
  });

  it('a job of another service of the bridge throws', async () => {
    const world = await startWorld(name);
    const handle = await world.started();
    const other: Service = name === 'xai' ? 'minimax' : 'xai';
    const provider = await openWith(other, { XAI_API_KEY: 'k', MINIMAX_API_KEY: 'k' });
    expect(await errorOf(provider.poll(handle, soon()))).toMatchObject({
      detail: expect.stringContaining('was started with'),
    });
  });

  it('reports a running job', async () => {
    const { started, provider, simulators } = await startWorld(name);
    const handle = await started({ prompt: 'a boat [hold]' });
    simulators.advance(60_000);
    expect(await provider.poll(handle, soon())).toMatchObject({ state: 'in_progress' });
  });

  it('reports a refusal because of the content as such', async () => {
    const { started, ended } = await startWorld(name);
    expect(await ended(await started({ prompt: 'a boat [moderation]' }))).toMatchObject({
      state: 'failed',
      reason: 'content_rejected',
    });
  });

  it("reports a failure of the service in the gateway's words, with the service's words for the operator", async () => {
    const { started, ended } = await startWorld(name);
    const answer = await ended(await started({ prompt: 'a boat [fail]' }));
    expect(answer).toMatchObject({ state: 'failed', reason: 'upstream_failed' });
    if (answer.state === 'failed') expect(answer.detail).toBeTruthy();
  });

  it('reports an expired link as a lost result', async () => {
    const { provider, started, ended } = await startWorld(name);
    const handle = await started({ prompt: 'a boat [gone]' });
    const answer = await ended(handle);
    if (answer.state !== 'succeeded') throw new Error(answer.state);
    expect(await errorOf(provider.open(handle, answer.result, 0, soon()))).toMatchObject({
      reason: 'result_lost',
    });
  });

  it('leaves no key in any log, error or answer', async () => {
    const world = await startWorld(name);
    const handle = await world.started({ prompt: 'a boat [fail]' });
    const answer = await world.ended(handle);
    world.simulators.upstream(name).accounts.set('default', 'revoked');
    const error = await errorOf(world.provider.poll(handle, soon()));
    const told = JSON.stringify([world.log, answer, handle, error.message, error.detail]);
    expect(told).not.toContain(world.key);
  });
});

describe('a prompt that is refused at once', () => {
  it.each(['xai', 'minimax', 'replicate'] as const)('can be corrected by the caller (%s)', async (name) => {
    const { provider } = await startWorld(name);
    const job = starting(name, { prompt: 'a boat [moderation-input]' });
    expect(await errorOf(provider.submit(job, sending(soon())))).toMatchObject({
      created: 'no',
      reason: 'content_rejected',
    });
  });
});

describe('a job that exceeded its time limit upstream', () => {
  it.each(['xai', 'minimax', 'replicate'] as const)('is expired (%s)', async (name) => {
    const { started, ended, simulators } = await startWorld(name);
    const handle = await started({ prompt: 'a boat [expire]' });
    simulators.advance(24 * 3_600_000);
    expect(await ended(handle)).toMatchObject({ state: 'failed', reason: 'expired' });
  });
});

describe('what the packages do not pass on', () => {
  it.each(['minimax', 'replicate'] as const)('includes that a job waits (%s)', async (name) => {
    const { started, provider } = await startWorld(name);
    const handle = await started({ prompt: 'a boat [queued]' });
    expect(await provider.poll(handle, soon())).toMatchObject({ state: 'queued' });
  });

  it('includes the progress at xAI', async () => {
    const { started, provider, simulators } = await startWorld('xai');
    const handle = await started({ prompt: 'a boat [hold]' });
    simulators.advance(60_000);
    expect(await provider.poll(handle, soon())).toEqual({ state: 'in_progress', progress: 50 });
  });

  it('includes that a job runs if xAI answers an empty 202', async () => {
    const { started, provider, simulators } = await startWorld('xai');
    simulators.upstream('xai').configure({ emptyPending: true });
    const handle = await started({ prompt: 'a boat [hold]' });
    expect(await provider.poll(handle, soon())).toEqual({ state: 'in_progress' });
  });

  it('includes a list of outputs of Replicate, which the package refuses', async () => {
    const { started, ended, provider, simulators } = await startWorld('replicate');
    simulators.upstream('replicate').configure({ listOutput: true });
    const handle = await started();
    const answer = await ended(handle);
    if (answer.state !== 'succeeded') throw new Error(answer.state);
    const { stream, bytes } = await provider.open(handle, answer.result, 0, soon());
    expect((await readAll(stream)).length).toBe(bytes);
  });
});
