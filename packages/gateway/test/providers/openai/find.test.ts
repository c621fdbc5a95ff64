import { REWORDINGS, type Rewording } from '@onetake/simulators';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Job, UnknownSubmission } from '../../../src/providers/provider.ts';
import { newId } from '../../../src/tasks/ids.ts';
import { matchPrompt } from '../../../src/tasks/likeness.ts';
import type { Clock } from '../../../src/time/clock.ts';
import { aPromptText } from '../../support/perturbed.ts';
import { sending } from '../../support/sending.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { aJob, openAccount, openUpstream, SERVICES, signal } from './world.ts';

const ABSENT = { found: false, certainty: 'absent' };
const UNKNOWN = { found: false, certainty: 'unknown' };
const MINUTE = 60_000;

/** A clock that is ahead of the wall clock by this much. */
const ahead = (ms: number): Clock => ({ now: () => Date.now() + ms });

const lost = (
  job: Job,
  {
    intendedAt = Date.now(),
    givenUpAt = intendedAt,
    known = [],
    afterMs = 3 * MINUTE,
  }: { intendedAt?: number; givenUpAt?: number; known?: readonly string[]; afterMs?: number } = {},
): UnknownSubmission => ({
  ...job,
  intendedAt,
  sinceIntent: () => Date.now() + afterMs - intendedAt,
  sinceGivenUp: () => Date.now() + afterMs - givenUpAt,
  isKnown: async (id: string) => known.includes(id),
});

/** A server whose list is so, asked `afterMs` from now, as its clock and the adapter's agree. */
async function listing(pages: readonly unknown[], { afterMs = 3 * MINUTE, status = 200 } = {}) {
  const clock = ahead(afterMs);
  const server = await serve((request, response) => {
    const after = new URL(request.url ?? '', 'http://host').searchParams.get('after');
    response.writeHead(status, {
      'content-type': 'application/json',
      date: new Date(clock.now()).toUTCString(),
    });
    response.end(JSON.stringify(pages[after === null ? 0 : Number(after.split('-')[1]) + 1]));
  });
  const account = { base_url: `${server.origin}/v1`, api_key: 'sk-k1' };
  return { server, provider: await openAccount(account, clock) };
}

const video = (id: string, created: number, changes: Record<string, unknown> = {}) => ({
  id,
  status: 'queued',
  created_at: Math.floor(created / 1000),
  model: 'sora-2',
  prompt: 'a paper boat',
  seconds: '4',
  size: '1280x720',
  ...changes,
});

const told = (prompt: string, changes: readonly Rewording[]): string =>
  changes.reduce((text, change) => REWORDINGS[change](text), prompt);

const page = (...data: unknown[]) => ({ object: 'list', data, has_more: false });

describe('a lost submission', () => {
  // SGLang Diffusion lists no prompts.
  it.each((Object.keys(SERVICES) as (keyof typeof SERVICES)[]).filter((service) => service !== 'sglang'))(
    'is found in the list of %s',
    async (service) => {
      const { simulators, provider } = await openUpstream(service);
      simulators.faults.add({ kind: 'lost_answer', operation: 'submit', count: 1 });
      const job = aJob({ prompt: `${newId()} [hold]` });
      const intendedAt = Date.now();
      await expect(provider.submit(job, sending(signal()))).rejects.toMatchObject({ created: 'unknown' });
      const outcome = await provider.find?.(lost(job, { intendedAt, afterMs: 0 }), signal());
      expect(outcome).toMatchObject({ found: true });
      expect(simulators.ledger.jobs()).toHaveLength(1);
    },
  );

  it('whose prompt the upstream reports changed is found or in doubt, and never absent', async () => {
    const { simulators, provider } = await openUpstream('openai');
    const rewordings = fc.subarray(Object.keys(REWORDINGS) as Rewording[]);
    await fc.assert(
      fc.asyncProperty(aPromptText, rewordings, async (words, changes) => {
        simulators.faults.clear();
        for (const rewording of changes) simulators.faults.add({ kind: 'reworded_prompt', rewording });
        simulators.faults.add({ kind: 'lost_answer', operation: 'submit', count: 1 });
        const job = aJob({ prompt: `${newId()} ${words} [hold]` });
        const long = { intendedAt: Date.now(), givenUpAt: Date.now() - 10 * MINUTE, afterMs: 0 };
        await provider.submit(job, sending()).catch(() => undefined);
        const [made] = simulators.ledger.jobs().slice(-1);
        expect(made?.prompt).toBe(job.request.prompt);
        const outcome = await provider.find?.(lost(job, long), signal());
        const isSame = matchPrompt(job.request.prompt, told(job.request.prompt, changes)) === 'same';
        expect(outcome).toEqual(isSame ? { found: true, upstreamId: made?.id } : UNKNOWN);
      }),
      { numRuns: 40 },
    );
  });

  it.each(['ahead', 'behind'])('is found if the clock of the upstream is %s', async (where) => {
    const { simulators, provider } = await openUpstream();
    const skewMs = (where === 'ahead' ? 1 : -1) * 20 * MINUTE;
    simulators.faults.add({ kind: 'clock_skew', skewMs });
    const job = aJob({ prompt: '[hold]' });
    const intendedAt = Date.now();
    const { upstreamId } = await provider.submit(job, sending(signal()));
    const submission = lost(job, { intendedAt, afterMs: 0 });
    expect(await provider.find?.(submission, signal())).toEqual({ found: true, upstreamId });
  });

  it('of a remix is found by its source and its prompt', async () => {
    const now = Date.now();
    const source = { taskId: 'video_0', accountId: 'openai', upstreamId: 'video_src', ref: 'video_src' };
    const { provider } = await listing([
      page(
        video('video-1', now, { remixed_from_video_id: 'video_other' }),
        video('video-2', now, { remixed_from_video_id: 'video_src', model: 'sora-2-pro', seconds: '12' }),
      ),
    ]);
    const found = await provider.find?.(lost(aJob({ source }), { intendedAt: now }), signal());
    expect(found).toEqual({ found: true, upstreamId: 'video-2' });
  });

  it('may be reported under the dated name of its model, but not under that of another', async () => {
    const now = Date.now();
    const { provider } = await listing([
      page(
        video('video-1', now, { model: 'sora-2-pro' }),
        video('video-2', now, { model: 'sora-2-pro-2025-10-06' }),
        video('video-3', now, { model: 'sora-2-2025-12-08' }),
      ),
    ]);
    const found = await provider.find?.(lost(aJob(), { intendedAt: now }), signal());
    expect(found).toEqual({ found: true, upstreamId: 'video-3' });
  });

  it.each([
    ['another prompt', { prompt: 'a paper plane' }],
    ['another length', { seconds: '8' }],
    ['another size', { size: '720x1280' }],
    ['a source', { remixed_from_video_id: 'video_src' }],
  ])('is not a job of %s', async (_what, changes) => {
    const now = Date.now();
    const { provider } = await listing([page(video('video-1', now, changes))]);
    expect(await provider.find?.(lost(aJob(), { intendedAt: now }), signal())).toEqual(ABSENT);
  });

  it('is not a job that another attempt has', async () => {
    const now = Date.now();
    const { provider } = await listing([page(video('video-1', now), video('video-2', now))]);
    const duplicates = { intendedAt: now, known: ['video-1'] };
    expect(await provider.find?.(lost(aJob(), duplicates), signal())).toEqual({
      found: true,
      upstreamId: 'video-2',
    });
    const both = { intendedAt: now, known: ['video-1', 'video-2'] };
    expect(await provider.find?.(lost(aJob(), both), signal())).toEqual(ABSENT);
  });

  it('is not absent before the request had time to arrive', async () => {
    const soon = await listing([page()], { afterMs: 60_000 });
    expect(await soon.provider.find?.(lost(aJob(), { afterMs: 60_000 }), signal())).toEqual(UNKNOWN);
    const later = await listing([page()], { afterMs: 100_000 });
    expect(await later.provider.find?.(lost(aJob(), { afterMs: 100_000 }), signal())).toEqual(ABSENT);
    // A call that took long was under way for that long.
    const slow = { givenUpAt: Date.now() + 60_000, afterMs: 100_000 };
    expect(await later.provider.find?.(lost(aJob(), slow), signal())).toEqual(UNKNOWN);
  });

  it('is searched for to the end of a list that is not sorted by time', async () => {
    const now = Date.now();
    const other = (id: string, created: number) => video(id, created, { prompt: 'another' });
    const { provider } = await listing([
      { data: [other('video-x', now - 25 * MINUTE), other('video-0', now - 20 * MINUTE)], has_more: true },
      { data: [video('video-1', now)], has_more: false },
    ]);
    const found = await provider.find?.(lost(aJob(), { intendedAt: now }), signal());
    expect(found).toEqual({ found: true, upstreamId: 'video-1' });
  });

  it('is not absent if a similar job seems a little too old', async () => {
    const now = Date.now();
    const { provider } = await listing([page(video('video-1', now - 20_000))]);
    expect(await provider.find?.(lost(aJob(), { intendedAt: now }), signal())).toEqual(UNKNOWN);
  });

  it('is not absent if the list does not show the prompt of a job', async () => {
    const now = Date.now();
    const { provider } = await listing([page(video('video-1', now, { prompt: null }))]);
    expect(await provider.find?.(lost(aJob(), { intendedAt: now }), signal())).toEqual(UNKNOWN);
  });

  it.each([
    ['seconds', { seconds: '5' }],
    ['size', { size: '1280x704' }],
  ])(
    'is not absent because a list without prompts tells the %s of the video that is made',
    async (_what, changes) => {
      const now = Date.now();
      const { provider } = await listing([page(video('video-1', now, { prompt: undefined, ...changes }))]);
      expect(await provider.find?.(lost(aJob(), { intendedAt: now }), signal())).toEqual(UNKNOWN);
    },
  );

  it('is not absent if the list breaks off, because the last job of a page was deleted', async () => {
    const now = Date.now();
    const other = video('video-0', now, { prompt: 'another' });
    const { provider } = await listing([{ data: [other], has_more: true }, page()]);
    expect(await provider.find?.(lost(aJob(), { intendedAt: now }), signal())).toEqual(UNKNOWN);
  });

  it('is searched for page by page until past the intent, and no further', async () => {
    const now = Date.now();
    const other = (id: string, created: number) => video(id, created, { prompt: 'another' });
    const { provider, server } = await listing([
      { data: [other('video-0', now)], has_more: true },
      { data: [other('video-1', now - 20 * MINUTE)], has_more: true },
      { data: [video('video-2', now - 21 * MINUTE)], has_more: false },
    ]);
    expect(await provider.find?.(lost(aJob(), { intendedAt: now }), signal())).toEqual(ABSENT);
    expect(server.requests.map(({ url }) => url)).toEqual([
      '/v1/videos?limit=100&order=desc',
      '/v1/videos?limit=100&order=desc&after=video-0',
    ]);
  });

  it.each([
    ['an answer that is no list', {}],
    ['a list of something else', { data: [{ hello: 'world' }] }],
  ])('is not absent because of %s', async (_what, body) => {
    const { provider } = await listing([body]);
    await expect(provider.find?.(lost(aJob()), signal())).rejects.toMatchObject({
      reason: 'upstream_unavailable',
    });
  });

  it('stays unknown at a server without a list', async () => {
    const { provider } = await listing([{ detail: 'Not Found' }], { status: 404 });
    expect(await provider.find?.(lost(aJob()), signal())).toEqual(UNKNOWN);
  });
});
