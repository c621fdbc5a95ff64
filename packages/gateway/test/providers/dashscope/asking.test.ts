import { describe, expect, it } from 'vitest';
import type { DueJob, Handle, Provider } from '../../../src/providers/provider.ts';
import { sending } from '../../support/sending.ts';
import { aJob, canned, handleOf, settled, signal, simulated } from './world.ts';

async function started(provider: Provider, prompts: readonly string[]): Promise<Handle[]> {
  const handles = [];
  for (const prompt of prompts) {
    handles.push(handleOf((await provider.submit(aJob({ prompt }), sending(signal()))).upstreamId));
  }
  return handles;
}

const due = (handle: Handle): DueJob => ({ handle, expectedDelayMs: 1 });

const many = (count: number, marker: string) =>
  Array.from({ length: count }, (_, n) => `boat ${n} ${marker}`);

/** `YYYYMMDDhhmmss` in Beijing time as milliseconds UTC. */
const timeOf = (compact: string | null): number =>
  Date.parse((compact ?? '').replace(/^(....)(..)(..)(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6+08:00'));

/** An upstream with so many tasks that run, newest first: two were submitted every second. */
async function listOf(tasks: number) {
  const submittedAt = (n: number) => start - n * 500;
  const start = Date.now();
  const urls: string[] = [];
  const { provider } = await canned(({ url }) => {
    urls.push(url);
    const query = new URL(url, 'http://host').searchParams;
    const [from, to] = [timeOf(query.get('start_time')), timeOf(query.get('end_time'))];
    const found = Array.from({ length: tasks }, (_, n) => n).filter(
      (n) => submittedAt(n) >= from && submittedAt(n) <= to,
    );
    const data = found
      .slice(0, Number(query.get('page_size')))
      .map((n) => ({ task_id: `task-${n}`, status: 'RUNNING', gmt_create: submittedAt(n) }));
    return { body: { data, total_page: Math.ceil(found.length / data.length) } };
  });
  const handles = Array.from({ length: tasks }, (_, n) => ({
    ...handleOf(`task-${n}`),
    intendedAt: submittedAt(n),
  }));
  return { provider, urls, handles };
}

describe('polling many tasks', () => {
  it('takes one request for all unfinished tasks, and one more for each finished task', async () => {
    const { simulators, provider } = await simulated();
    const working = await started(provider, many(30, '[hold]'));
    const ended = await started(provider, ['a [instant]', 'b [fail] [instant]']);
    const answers = await provider.pollMany?.([...working, ...ended], signal());
    expect(answers?.size).toBe(32);
    for (const { upstreamId } of working) {
      expect(['queued', 'in_progress']).toContain(answers?.get(upstreamId)?.state);
    }
    expect(ended.map(({ upstreamId }) => answers?.get(upstreamId)?.state)).toEqual(['succeeded', 'failed']);
    expect(simulators.ledger.count({ operation: 'list' })).toBe(1);
    expect(simulators.ledger.count({ operation: 'poll' })).toBe(2);
  });

  it('answers about unfinished tasks that it was not asked about, if they are listed beside the others', async () => {
    const { simulators, provider } = await simulated();
    const asked = await started(provider, many(3, '[hold]'));
    const others = await started(provider, many(20, 'of others [hold]'));
    const [ended] = await started(provider, ['a [instant]']);
    const answers = await provider.pollMany?.(asked, signal());
    for (const { upstreamId } of [...asked, ...others])
      expect(['queued', 'in_progress']).toContain(answers?.get(upstreamId)?.state);
    // The list has no link to its video.
    expect(answers?.has(ended?.upstreamId ?? '')).toBe(false);
    expect(simulators.ledger.count({ operation: 'list' })).toBe(1);
    expect(simulators.ledger.count({ operation: 'poll' })).toBe(0);
  });

  it('polls a task whose end a page shows that was read for others, once', async () => {
    const { simulators, provider } = await simulated();
    const asked = await started(provider, many(3, '[hold]'));
    const [ended] = await started(provider, ['a [instant]']);
    provider.chooseJobs?.([...asked, ended as Handle].map(due));
    const answers = await provider.pollMany?.(asked, signal());
    expect(answers?.get(ended?.upstreamId ?? '')).toMatchObject({ state: 'succeeded' });
    await provider.pollMany?.(asked, signal());
    expect(simulators.ledger.count({ operation: 'poll' })).toBe(1);
  });

  it('reads the window of the list that has the tasks, whatever was submitted before and after them', async () => {
    const upstream = await listOf(250);
    const young = upstream.handles.slice(0, 200);
    const old = upstream.handles.slice(200);
    const found = new Set<string>();
    for (let times = 0; times < 6; times++)
      for (const id of (await upstream.provider.pollMany?.(old, signal()))?.keys() ?? []) found.add(id);
    for (const { upstreamId } of old) expect(found).toContain(upstreamId);
    upstream.urls.length = 0;
    for (const handles of [old, young.slice(150), young.slice(40, 138), old.slice(0, 2)]) {
      const answers = await upstream.provider.pollMany?.(handles, signal());
      for (const { upstreamId } of handles) expect(answers?.has(upstreamId)).toBe(true);
    }
    expect(upstream.urls).toHaveLength(4);
    expect(upstream.urls.every((url) => url.includes('page_no=1'))).toBe(true);
  });

  it('polls one by one if the list is refused or has no statuses', async () => {
    for (const list of [
      { status: 400, body: { code: 'InvalidParameter', message: 'no list here' } },
      { status: 403, body: { code: 'AccessDenied', message: 'no lists with this key' } },
      { body: { data: [], total_page: 0 } },
    ]) {
      const { provider } = await canned(({ url }) =>
        url.startsWith('/api/v1/tasks/?')
          ? list
          : { body: { output: { task_id: url.slice(14), task_status: 'RUNNING' } } },
      );
      const handles = [handleOf('a'), handleOf('b')];
      expect((await provider.pollMany?.(handles, signal()))?.size).toBe(0);
      expect(provider.chooseJobs?.(handles.map(due))).toEqual([handles[0]]);
      expect(await provider.pollMany?.(handles, signal())).toEqual(
        new Map([['a', { state: 'in_progress' }]]),
      );
    }
  });

  it('polls one by one if the list keeps failing', async () => {
    const { provider } = await canned(({ url }) =>
      url.startsWith('/api/v1/tasks/?')
        ? { status: 502, body: '<html></html>' }
        : { body: { output: { task_id: url.slice(14), task_status: 'RUNNING' } } },
    );
    const ask = () => settled(provider.pollMany?.([handleOf('a'), handleOf('b')], signal()));
    expect(await ask()).toMatchObject({ reason: 'upstream_unavailable' });
    for (let time = 0; time < 4; time++) await ask();
    expect(await ask()).toEqual(new Map([['a', { state: 'in_progress' }]]));
  });

  it('returns the answers if some polls fail, and throws if all fail or the key is refused', async () => {
    const trouble = { status: 500, body: { code: 'InternalError', message: 'x' } };
    const ended = (id: string) => ({ task_id: id, status: 'SUCCEEDED' });
    const upstream = (refused: { status: number; body: object }, all = false) =>
      canned(({ url }) => {
        if (url.startsWith('/api/v1/tasks/?'))
          return { body: { data: [ended('a'), ended('b')], total_page: 1 } };
        const id = url.slice(14);
        return id === 'a' && !all ? { body: { output: { task_id: id, task_status: 'RUNNING' } } } : refused;
      });
    const ask = async ({ provider }: { provider: Provider }) =>
      settled(provider.pollMany?.([handleOf('a'), handleOf('b')], signal()));
    expect(await ask(await upstream(trouble))).toEqual(new Map([['a', { state: 'in_progress' }]]));
    expect(await ask(await upstream(trouble, true))).toMatchObject({ reason: 'upstream_unavailable' });
    const wrongKey = { status: 401, body: { code: 'InvalidApiKey', message: 'x' } };
    expect(await ask(await upstream(wrongKey))).toMatchObject({ reason: 'auth_failed' });
  });

  it('throws for a wrong key, which is not a verdict on the tasks', async () => {
    const { simulators, provider } = await simulated();
    const handles = await started(provider, many(2, '[hold]'));
    simulators.upstream('dashscope').accounts.set('default', 'revoked');
    // The list alone may be refused.
    expect((await provider.pollMany?.(handles, signal()))?.size).toBe(0);
    for (const call of [
      () => provider.pollMany?.(handles, signal()),
      () => provider.poll(handleOf('x'), signal()),
    ]) {
      expect(await settled(call())).toMatchObject({ name: 'UpstreamError', reason: 'auth_failed' });
    }
  });
});

describe('the rate limit of the account', () => {
  it('is kept by all kinds of polls together', async () => {
    const { simulators, provider } = await simulated({ pollsPerSecond: 50 });
    const handles = await started(provider, many(6, '[instant]'));
    simulators.ledger.reset();
    const begin = Date.now();
    await Promise.all([
      provider.pollMany?.(handles, signal()),
      provider.poll(handleOf('x'), signal()),
      provider.cancel?.(handleOf('y'), signal()),
    ]);
    const at = simulators.ledger
      .requests()
      .filter(({ operation }) => operation !== 'submit')
      .map((request) => request.at)
      .sort((a, b) => a - b);
    // A list, six ended tasks, one poll, a cancellation and the poll after it.
    expect(at).toHaveLength(10);
    // None before its turn, but for the two in hand at this rate. How long a request travels is unknown.
    for (const [n, time] of at.entries()) expect(time - begin).toBeGreaterThanOrEqual((n - 2) * 20);
  });
});
