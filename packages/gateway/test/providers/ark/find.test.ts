import { describe, expect, it } from 'vitest';
import { correlationMarkerOf } from '../../../src/providers/ark/correlationMarker.ts';
import { readList } from '../../../src/providers/ark/find.ts';
import type { ArkTask } from '../../../src/providers/ark/wire.ts';
import { judge } from '../../../src/providers/search/judge.ts';
import { aRequest } from '../../support/builders.ts';
import { sending } from '../../support/sending.ts';
import { aPrompt, arkJob, arkWorld, lost, signal } from './world.ts';

const UNKNOWN = { found: false, certainty: 'unknown' };

describe('a lost submission', () => {
  it('is found among others with the same prompt, each by its own attempt', async () => {
    const { simulators, provider, another } = await arkWorld();
    const jobs = [aPrompt('a boat'), aPrompt('a boat')] as const;
    await provider.submit(aPrompt('a boat'), sending(signal()));
    simulators.faults.add({ kind: 'lost_answer', operation: 'submit', count: 2 });
    for (const job of jobs) await provider.submit(job, sending(signal())).catch(() => undefined);
    const made = simulators.ledger.jobs().map(({ id }) => id);
    const found = [];
    for (const job of jobs) found.push(await another().find?.(lost(job), signal()));
    expect(found).toEqual([
      { found: true, upstreamId: made[1] },
      { found: true, upstreamId: made[2] },
    ]);
  });

  it('that never arrived stays unknown, whatever other tasks there are', async () => {
    const { simulators, provider } = await arkWorld();
    await provider.submit(aPrompt('a boat'), sending(signal()));
    simulators.faults.add({ kind: 'reset', operation: 'submit', count: 1 });
    const job = aPrompt('a boat');
    await provider.submit(job, sending(signal())).catch(() => undefined);
    expect(await provider.find?.(lost(job), signal())).toEqual(UNKNOWN);
  });

  it('whose task another attempt has is not found', async () => {
    const { provider } = await arkWorld();
    const job = aPrompt('a boat');
    const { upstreamId } = await provider.submit(job, sending(signal()));
    expect(await provider.find?.(lost(job, [upstreamId]), signal())).toEqual(UNKNOWN);
  });

  it('of the flex tier is searched for there', async () => {
    const { simulators, provider } = await arkWorld();
    const job = arkJob({
      request: aRequest({ duration: 2, resolution: '480p', providerOptions: { service_tier: 'flex' } }),
    });
    simulators.faults.add({ kind: 'lost_answer', operation: 'submit', count: 1 });
    await provider.submit(job, sending(signal())).catch(() => undefined);
    expect(await provider.find?.(lost(job), signal())).toMatchObject({ found: true });
  });

  it('with an expiry from the caller has no correlation marker and stays unknown', async () => {
    const { provider } = await arkWorld();
    const providerOptions = { execution_expires_after: 7200 };
    const job = arkJob({ request: aRequest({ duration: 2, resolution: '480p', providerOptions }) });
    await provider.submit(job, sending(signal()));
    expect(await provider.find?.(lost(job), signal())).toEqual(UNKNOWN);
  });

  it('is an error and not a verdict if the list cannot be read', async () => {
    const { simulators, provider } = await arkWorld();
    simulators.faults.add({ kind: 'malformed_json', operation: 'list' });
    await expect(provider.find?.(lost(aPrompt('a boat')), signal())).rejects.toMatchObject({
      reason: 'upstream_unavailable',
    });
  });
});

describe('a task of the list', () => {
  const job = arkJob();
  const submission = lost(job);
  const seconds = Math.floor(submission.intendedAt / 1000);
  const alike: ArkTask = {
    id: 'cgt-1',
    status: 'running',
    created_at: seconds,
    execution_expires_after: correlationMarkerOf(job.idempotencyKey),
  };
  const find = async (tasks: readonly ArkTask[]) =>
    judge(await readList(submission, { page: async () => ({ total: tasks.length, tasks }) }), submission);

  it('that matches in everything is the lost one', async () => {
    expect(await find([alike])).toEqual({ found: true, upstreamId: 'cgt-1' });
    expect(await find([{ ...alike, status: 'succeeded', resolution: '480p' }])).toMatchObject({
      found: true,
    });
  });

  it.each<[string, Partial<ArkTask>]>([
    ['with the default expiry', { execution_expires_after: 172_800 }],
    ['without an expiry', { execution_expires_after: null }],
    ['from long before', { created_at: seconds - 3600 }],
    ['from long after', { created_at: seconds + 3600 }],
    ['of another resolution', { resolution: '1080p' }],
  ])('%s is not', async (_what, difference) => {
    expect(await find([{ ...alike, ...difference }])).toEqual(UNKNOWN);
  });

  it('is not the lost one if two match', async () => {
    expect(await find([alike, { ...alike, id: 'cgt-2' }])).toEqual(UNKNOWN);
  });

  it('is searched for page by page, until the pages are older than the submission', async () => {
    const pages: string[] = [];
    const old = { ...alike, id: 'cgt-old', created_at: seconds - 7200, execution_expires_after: null };
    const newer = Array.from({ length: 500 }, (_, n) => ({
      ...old,
      id: `cgt-${n}`,
      created_at: seconds + 1,
    }));
    const listing = await readList(submission, {
      async page(filter) {
        pages.push(filter.page_num ?? '');
        const tasks = filter.page_num === '1' ? newer : [alike, old];
        return { total: 5000, tasks };
      },
    });
    expect(await judge(listing, submission)).toMatchObject({ found: true });
    expect(pages).toEqual(['1', '2']);
  });
});
