import { describe, expect, it } from 'vitest';
import type { Handle, Provider } from '../../../src/providers/provider.ts';
import { sending } from '../../support/sending.ts';
import { aJob, canned, handleOf, settled, signal, simulated } from './world.ts';

async function started(provider: Provider, prompts: readonly string[]): Promise<Handle[]> {
  const handles = [];
  for (const prompt of prompts) {
    handles.push(handleOf((await provider.submit(aJob({ prompt }), sending(signal()))).upstreamId));
  }
  return handles;
}

const many = (count: number, marker: string) =>
  Array.from({ length: count }, (_, n) => `boat ${n} ${marker}`);

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

  it('reads further pages only while they are fewer than the polls that they save', async () => {
    const { simulators, provider } = await simulated();
    const old = await started(provider, many(20, '[hold]'));
    await started(provider, many(230, 'of others [hold]'));
    // 250 tasks on three pages. The polled ones are on the last.
    await provider.pollMany?.(old, signal());
    expect(simulators.ledger.count({ operation: 'list' })).toBe(3);
    expect(simulators.ledger.count({ operation: 'poll' })).toBe(0);
    simulators.ledger.reset();
    const answers = await provider.pollMany?.(old.slice(0, 2), signal());
    expect(answers?.size).toBe(2);
    expect(simulators.ledger.count({ operation: 'list' })).toBe(1);
    expect(simulators.ledger.count({ operation: 'poll' })).toBe(2);
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
      const answers = await provider.pollMany?.([handleOf('a'), handleOf('b')], signal());
      expect([...(answers?.values() ?? [])]).toEqual([{ state: 'in_progress' }, { state: 'in_progress' }]);
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
    const outcomes = [await ask(), await ask(), await ask()];
    expect(outcomes.at(-1)).toBeInstanceOf(Map);
  });

  it('returns the answers if some polls fail, and throws if all fail or the key is refused', async () => {
    const trouble = { status: 500, body: { code: 'InternalError', message: 'x' } };
    const upstream = (refused: { status: number; body: object }, all = false) =>
      canned(({ url }) => {
        if (url.startsWith('/api/v1/tasks/?')) return { body: { data: [], total_page: 0 } };
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
    // None before its turn. How long a request travels is unknown.
    for (const [n, time] of at.entries()) expect(time - begin).toBeGreaterThanOrEqual(n * 20);
  });
});
