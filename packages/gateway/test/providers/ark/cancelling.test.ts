import { describe, expect, it } from 'vitest';
import { sending } from '../../support/sending.ts';
import { scripted } from './scripted.ts';
import { aPrompt, arkAt, arkWorld, handle, signal } from './world.ts';

describe('cancelling', () => {
  it('stops a queued task, and has the same outcome a second time', async () => {
    const { simulators, provider } = await arkWorld();
    const { upstreamId } = await provider.submit(aPrompt('a boat [queued]'), sending(signal()));
    expect(await provider.cancel?.(handle(upstreamId), signal())).toBe('cancelled');
    expect(await provider.cancel?.(handle(upstreamId), signal())).toBe('cancelled');
    expect(await provider.poll(handle(upstreamId), signal())).toMatchObject({ reason: 'cancelled' });
    expect(simulators.ledger.count({ operation: 'delete' })).toBe(1);
  });

  it.each([
    ['runs', 'a boat [hold]'],
    ['has succeeded', 'a boat'],
    ['has failed', 'a boat [fail]'],
  ])('sends no DELETE for a task that %s', async (_what, prompt) => {
    const { simulators, provider } = await arkWorld();
    const { upstreamId } = await provider.submit(aPrompt(prompt), sending(signal()));
    if (prompt.includes('hold')) simulators.advance(60_000);
    else simulators.finishAll();
    expect(await provider.cancel?.(handle(upstreamId), signal())).toBe('too_late');
    expect(simulators.ledger.count({ operation: 'delete' })).toBe(0);
  });

  /** A service in which the task has these states before and after the DELETE. */
  async function racing(before: string, deletion: { status: number; body: unknown }, after?: string) {
    let deleted = false;
    const upstream = await scripted(({ method }) => {
      if (method === 'DELETE') {
        deleted = true;
        return deletion;
      }
      const status = deleted ? after : before;
      if (status !== undefined) return { body: { id: 'cgt-1', status } };
      return { status: 404, body: { error: { code: 'ResourceNotFound', message: 'Not found.' } } };
    });
    const events: string[] = [];
    const write = ({ event }: { event: string }) => void events.push(event);
    const log = { error: write, warn: write, info: write, debug: write };
    const outcome = await arkAt(upstream.baseUrl, { log }).cancel?.(handle('cgt-1'), signal());
    return { outcome, calls: upstream.received.map(({ method }) => method), events };
  }

  it('is too late if the task begins to run in between', async () => {
    const error = { code: 'InvalidAction.RunningTaskDeletion', message: 'It is currently running.' };
    expect(await racing('queued', { status: 409, body: { error } }, 'running')).toEqual({
      outcome: 'too_late',
      calls: ['GET', 'DELETE'],
      events: [],
    });
  });

  it('is pending while the task does not show it', async () => {
    expect(await racing('queued', { status: 200, body: {} }, 'queued')).toMatchObject({ outcome: 'pending' });
  });

  it('ends the task if its record was erased, because no video will come', async () => {
    expect(await racing('queued', { status: 200, body: {} })).toMatchObject({
      outcome: 'cancelled',
      events: ['upstream.job_erased'],
    });
  });

  it('sends no DELETE for a task in an undocumented state', async () => {
    expect(await racing('polishing', { status: 200, body: {} })).toEqual({
      outcome: 'too_late',
      calls: ['GET'],
      events: ['upstream.status_unknown'],
    });
  });

  it('fails if the answer is lost, and the next try shows the outcome', async () => {
    const { simulators, provider } = await arkWorld();
    const { upstreamId } = await provider.submit(aPrompt('a boat [queued]'), sending(signal()));
    simulators.faults.add({ kind: 'lost_answer', operation: 'delete', count: 1 });
    await expect(provider.cancel?.(handle(upstreamId), signal())).rejects.toMatchObject({
      reason: 'upstream_unavailable',
    });
    expect(await provider.cancel?.(handle(upstreamId), signal())).toBe('cancelled');
  });
});

describe('discarding', () => {
  it('is done only if the account asks for it', async () => {
    expect((await arkWorld()).provider.discard).toBeUndefined();
  });

  it('erases the record, and a second time finds nothing', async () => {
    const { simulators, provider } = await arkWorld({ discards: true });
    const { upstreamId } = await provider.submit(aPrompt('a boat'), sending(signal()));
    simulators.finishAll();
    await provider.discard?.(handle(upstreamId), signal());
    await provider.discard?.(handle(upstreamId), signal());
    expect(await provider.poll(handle(upstreamId), signal())).toMatchObject({ state: 'missing' });
  });
});
