import { REWORDINGS, type Rewording } from '@onetake/simulators';
import { describe, expect, it } from 'vitest';
import type { Job, Provider, UnknownSubmission } from '../../../src/providers/provider.ts';
import { matchPrompt } from '../../../src/tasks/likeness.ts';
import { readAll } from '../../support/http/readAll.ts';
import { sending } from '../../support/sending.ts';
import { aJob, handleOf, lostOf, settled, signal, simulated } from './world.ts';

const find = (provider: Provider, job: Job, changes: Partial<UnknownSubmission> = {}) =>
  settled(provider.find?.(lostOf(job, changes), signal()));

const UNKNOWN = { found: false, certainty: 'unknown' };

describe('a lost submission', () => {
  it.each(Object.keys(REWORDINGS) as Rewording[])(
    'whose words the upstream tells otherwise (%s) is found or in doubt, and never absent',
    async (rewording) => {
      const { simulators, provider } = await simulated();
      simulators.faults.add({ kind: 'reworded_prompt', rewording });
      simulators.faults.add({ kind: 'lost_answer', operation: 'submit', count: 1 });
      const prompt = ' a “paper” boat\nat night & 5 < 6,  cafe\u0301 ① \\n [instant]';
      const job = aJob({ prompt });
      await settled(provider.submit(job, sending()));
      simulators.finishAll();
      const [made] = simulators.ledger.jobs();
      const isSame = matchPrompt(prompt, REWORDINGS[rewording](prompt)) === 'same';
      expect(await find(provider, job)).toEqual(isSame ? { found: true, upstreamId: made?.id } : UNKNOWN);
    },
  );

  it('is found by its prompt once it has ended', async () => {
    const { simulators, provider } = await simulated();
    simulators.faults.add({ kind: 'lost_answer', operation: 'submit', count: 1 });
    const job = aJob({ prompt: 'a lost boat [hold]' });
    expect(await settled(provider.submit(job, sending(signal())))).toMatchObject({ created: 'unknown' });
    await provider.submit(aJob({ prompt: 'another boat [instant]' }), sending(signal()));
    // No verdict yet, which differs from "unknown": the engine searches again.
    expect(await find(provider, job)).toMatchObject({
      name: 'UpstreamError',
      reason: 'upstream_unavailable',
    });
    simulators.finishAll();
    const [lost] = simulators.ledger.jobs({ prompt: job.request.prompt });
    expect(await find(provider, job)).toEqual({ found: true, upstreamId: lost?.id });
  });

  it.each<[string, Partial<Job['request']>, string]>([
    ['another prompt', { prompt: 'a boat with sails [instant]' }, 'wan3.0-video'],
    ['another length', { prompt: 'a boat [instant]', duration: 3 }, 'wan3.0-video'],
    ['another model', { prompt: 'a boat [instant]' }, 'wan3.0-video-prime'],
    ['an end without a video', { prompt: 'a boat [instant] [fail]' }, 'wan3.0-video'],
  ])('is never taken for a task with %s', async (_what, changes, upstreamModel) => {
    const { provider } = await simulated();
    await provider.submit(aJob(changes, { upstreamModel }), sending(signal()));
    expect(await find(provider, aJob({ prompt: 'a boat [instant]' }))).toEqual(UNKNOWN);
  });

  it('is never taken for a task of another hour, a known task, or one of two similar ones', async () => {
    const { provider } = await simulated();
    const job = aJob({ prompt: 'a boat [instant]' });
    const { upstreamId } = await provider.submit(job, sending(signal()));
    expect(await find(provider, job, { intendedAt: Date.now() - 3_600_000 })).toEqual(UNKNOWN);
    expect(await find(provider, job, { isKnown: async (id) => id === upstreamId })).toEqual(UNKNOWN);
    expect(await find(provider, job)).toEqual({ found: true, upstreamId });
    await provider.submit(job, sending(signal()));
    expect(await find(provider, job)).toEqual(UNKNOWN);
  });

  it('does not poll again tasks whose prompt is known', async () => {
    const { simulators, provider } = await simulated();
    const job = aJob({ prompt: 'a lost boat [instant]' });
    const { upstreamId } = await provider.submit(job, sending(signal()));
    await provider.submit(aJob({ prompt: 'another boat [instant]' }), sending(signal()));
    simulators.faults.add({ kind: 'server_error', operation: 'poll', after: 1, count: 1 });
    expect(await find(provider, job)).toMatchObject({ name: 'UpstreamError' });
    expect(await find(provider, job)).toEqual({ found: true, upstreamId });
    expect(simulators.ledger.count({ operation: 'poll' })).toBe(3);
  });

  it('is searched for on several pages', async () => {
    const { provider } = await simulated();
    const job = aJob({ prompt: 'a lost boat [instant]' });
    const { upstreamId } = await provider.submit(job, sending(signal()));
    const others = new Set<string>();
    for (let n = 0; n < 120; n++) {
      others.add((await provider.submit(aJob({ prompt: `boat ${n} [hold]` }), sending(signal()))).upstreamId);
    }
    expect(await find(provider, job, { isKnown: async (id) => others.has(id) })).toEqual({
      found: true,
      upstreamId,
    });
  });

  it('is matched by the prompt of the request, which provider_options cannot replace', async () => {
    const { provider } = await simulated();
    const providerOptions = { input: { prompt: 'another prompt' } };
    const job = aJob({ prompt: 'a boat [instant]' });
    const { upstreamId } = await provider.submit(job, sending(signal()));
    expect(await find(provider, job)).toEqual({ found: true, upstreamId });
    const { request, upstreamModel } = aJob({ providerOptions });
    expect(provider.refusedOptions(request, upstreamModel)).toEqual(['input.prompt']);
  });
});

describe('cancelling', () => {
  it('works while a task waits, and reports the same after a lost answer', async () => {
    const { simulators, provider } = await simulated();
    const { upstreamId } = await provider.submit(aJob({ prompt: 'a [queued]' }), sending(signal()));
    simulators.faults.add({ kind: 'lost_answer', operation: 'cancel', count: 1 });
    const cancel = () => settled(provider.cancel?.(handleOf(upstreamId), signal()));
    expect(await cancel()).toMatchObject({ name: 'UpstreamError' });
    expect(await cancel()).toBe('cancelled');
    expect(await provider.poll(handleOf(upstreamId), signal())).toMatchObject({ reason: 'cancelled' });
  });

  it('is too late for a running task, which goes on', async () => {
    const { simulators, provider } = await simulated();
    const { upstreamId } = await provider.submit(aJob({ prompt: 'a [hold]' }), sending(signal()));
    simulators.advance(60_000);
    expect(await provider.cancel?.(handleOf(upstreamId), signal())).toBe('too_late');
    expect(await provider.poll(handleOf(upstreamId), signal())).toMatchObject({ state: 'in_progress' });
  });
});

describe('the link to a video', () => {
  it('is opened without the key and lost after a day', async () => {
    const { simulators, provider } = await simulated();
    const { upstreamId } = await provider.submit(aJob({ prompt: 'a boat [instant]' }), sending(signal()));
    const handle = handleOf(upstreamId);
    const answer = await provider.poll(handle, signal());
    if (answer.state !== 'succeeded') throw new Error(answer.state);
    expect(answer.result.duration).toBe(2);
    // The storage refuses a signed request with a key.
    const opened = await provider.open(handle, answer.result, 0, signal());
    expect((await readAll(opened.stream)).length).toBe(opened.bytes);
    simulators.advance(25 * 3_600_000 + 10_000_000);
    const error = await settled(provider.open(handle, answer.result, 0, signal()));
    expect(error).toMatchObject({ reason: 'result_lost' });
    expect(JSON.stringify(error)).not.toContain(new URL(answer.result.ref).searchParams.get('Signature'));
  });
});
