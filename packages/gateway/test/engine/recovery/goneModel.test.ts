import { describe, expect, it } from 'vitest';
import { aRequest } from '../../support/builders.ts';
import { createWorld, type WorldOptions } from '../../support/engineWorld.ts';

/** The engine's view of a model that has left the catalogue, beside a model that is still there. */
const GONE: WorldOptions['parts'] = ({ servedBy, upstreamRequest }) => ({
  servedBy: (account, task) => task.request.prompt !== 'gone' && servedBy(account, task),
  upstreamRequest: (task) => (task.request.prompt === 'gone' ? undefined : upstreamRequest(task)),
});

describe('a task whose model has left the catalogue', () => {
  it('is polled, downloaded and captured if it was running', async () => {
    const world = await createWorld();
    const { id } = await world.submit('gone');
    await world.reaches(id, 'running');
    const next = await world.restart({ parts: GONE });
    expect((await next.ends(id)).phase).toBe('succeeded');
    expect(await next.ledger(id)).toHaveProperty('capture');
  });

  it('is cancelled upstream if its provider can', async () => {
    const world = await createWorld({ behaviour: () => ({ answers: ['in_progress'] }) });
    const { id } = await world.submit('gone');
    await world.reaches(id, 'running');
    const next = await world.restart({ parts: GONE });
    expect((await next.engine.cancel(await next.task(id))).error?.reason).toBe('cancelled');
    expect(next.upstream.count('cancel')).toBe(1);
  });

  it('expires if it was waiting, its hold is released, and it delays no other task', async () => {
    const world = await createWorld({
      limits: { inFlight: 1 },
      behaviour: (prompt) => ({ answers: [prompt === 'first' ? 'in_progress' : 'succeeded'] }),
    });
    const first = await world.submit('first');
    await world.reaches(first.id, 'running');
    const { id } = await world.submit('gone', { request: aRequest({ model: 'gone-model' }) });
    const good = await world.submit('good');
    const next = await world.restart({ parts: GONE });
    await next.engine.cancel(await next.task(first.id));
    expect((await next.ends(good.id)).phase).toBe('succeeded');
    expect((await next.ends(id)).error?.reason).toBe('expired');
    expect(await next.ledger(id)).toMatchObject({ release: expect.any(Number) });
  });

  it('is cancelled if it was waiting', async () => {
    const world = await createWorld({
      limits: { inFlight: 1 },
      behaviour: () => ({ answers: ['in_progress'] }),
    });
    const first = await world.submit('first');
    await world.reaches(first.id, 'running');
    const { id } = await world.submit('gone');
    const next = await world.restart({ parts: GONE });
    expect((await next.engine.cancel(await next.task(id))).error?.reason).toBe('cancelled');
    expect(await next.ledger(id)).toMatchObject({ release: expect.any(Number) });
  });

  it.each<['found' | 'not found', 'answer_lost' | 'request_lost', string]>([
    ['found', 'answer_lost', 'succeeded'],
    ['not found', 'request_lost', 'submission_unknown'],
  ])(
    'is searched for if its submission was lost, and is not believed absent: %s',
    async (_what, start, end) => {
      const world = await createWorld({
        behaviour: () => ({ start: [start], find: [{ error: 'upstream_unavailable' }, 'look'] }),
      });
      const { id } = await world.submit('gone');
      await world.reaches(id, 'submitting');
      const next = await world.restart({ parts: GONE });
      const task = await next.ends(id);
      expect(task.error?.reason ?? task.phase).toBe(end);
      expect(next.upstream.count('submit')).toBe(1);
    },
  );
});
