import { describe, expect, it } from 'vitest';
import { anAcceptance, aTask } from '../../support/builders.ts';
import { createWorld, type WorldOptions } from '../../support/engineWorld.ts';
import type { AnswerStep } from '../../support/servers/recordingUpstream.ts';

const CANCELLED = { reason: 'cancelled', code: 499 };
const REFUNDED = { hold: 400_000, release: 400_000 };
const TOO_LATE = { code: 'wrong_state', status: 409 };
const WORKING: WorldOptions['behaviour'] = () => ({ answers: ['in_progress'] });

describe('cancelling a task', () => {
  it('that waits for its turn ends it at once; it never goes upstream', async () => {
    const world = await createWorld({ limits: { inFlight: 1 }, behaviour: WORKING });
    await world.submit('first');
    const waiting = await world.submit('waiting');
    const task = await world.engine.cancel(waiting);
    expect(task).toMatchObject({ phase: 'failed', error: CANCELLED });
    expect(await world.ledger(task.id)).toEqual(REFUNDED);
    await world.advance(60_000);
    expect(world.upstream.count('submit')).toBe(1);
  });

  it('at the moment of its submission never leaves an unknown job upstream', async () => {
    const world = await createWorld({ behaviour: WORKING });
    const submitted = await world.submit();
    // Its intent is being written by now.
    await world.engine.cancel(submitted);
    const task = await world.ends(submitted.id);
    expect(task.error).toMatchObject(CANCELLED);
    expect(world.upstream.count('cancel')).toBe(world.upstream.count('submit'));
  });

  it('during its submission is carried out once the upstream has the job', async () => {
    const world = await createWorld({ behaviour: WORKING });
    const held = world.provider.hold('submit');
    const { id } = await world.submit();
    const submitting = await world.reaches(id, 'submitting');
    const noted = await world.engine.cancel(submitting);
    expect(noted).toMatchObject({ phase: 'submitting', cancelRequestedAt: world.timers.now() });
    held.release();
    const task = await world.ends(id);
    expect(task.error).toMatchObject(CANCELLED);
    expect(world.upstream.count('cancel')).toBe(1);
  });

  it('during its submission ends it if the upstream refuses it temporarily', async () => {
    const world = await createWorld({
      behaviour: () => ({ start: [{ refuse: 'rate_limited' }, 'accepted'] }),
    });
    const held = world.provider.hold('submit');
    const { id } = await world.submit();
    await world.engine.cancel(await world.reaches(id, 'submitting'));
    held.release();
    expect((await world.ends(id)).error).toMatchObject(CANCELLED);
    await world.advance(60_000);
    expect(world.upstream.count('submit')).toBe(1);
  });

  it('is remembered by the next gateway', async () => {
    const world = await createWorld({ behaviour: WORKING });
    world.provider.hold('submit');
    const { id } = await world.submit();
    await world.engine.cancel(await world.reaches(id, 'submitting'));
    const next = await world.crash();
    expect((await next.ends(id)).error).toMatchObject(CANCELLED);
    expect(next.upstream.count('submit')).toBe(0);
  });

  it('that is running stops it upstream', async () => {
    const world = await createWorld({ behaviour: WORKING });
    const { id } = await world.submit();
    const task = await world.engine.cancel(await world.reaches(id, 'running'));
    expect(task).toMatchObject({ phase: 'failed', error: CANCELLED, attempt: { outcome: 'cancelled' } });
    expect(await world.ledger(id)).toEqual(REFUNDED);
  });

  it('that is running waits for the final status if the upstream only acknowledges the request', async () => {
    let over = false;
    const world = await createWorld({
      behaviour: () => ({
        cancel: ['pending'],
        answers: [over ? { failed: 'cancelled', message: 'The task was cancelled.' } : 'in_progress'],
      }),
    });
    const { id } = await world.submit();
    const task = await world.engine.cancel(await world.reaches(id, 'running'));
    expect(task).toMatchObject({ phase: 'running', cancelRequestedAt: world.timers.now() });
    over = true;
    expect((await world.ends(id)).error).toMatchObject(CANCELLED);
  });

  it('that the upstream can no longer stop is refused, and the task continues', async () => {
    const world = await createWorld({ behaviour: () => ({ cancel: ['too_late'] }) });
    const { id } = await world.submit();
    await expect(world.engine.cancel(await world.reaches(id, 'running'))).rejects.toMatchObject(TOO_LATE);
    expect((await world.ends(id)).phase).toBe('succeeded');
  });

  it('is refused if the upstream cannot cancel', async () => {
    const world = await createWorld({ abilities: ['find'] });
    const { id } = await world.submit();
    await expect(world.engine.cancel(await world.reaches(id, 'running'))).rejects.toMatchObject(TOO_LATE);
    expect((await world.ends(id)).phase).toBe('succeeded');
  });

  it('leaves it running if the upstream could not be reached', async () => {
    const world = await createWorld({ behaviour: () => ({ cancel: [{ error: 'upstream_unavailable' }] }) });
    const { id } = await world.submit();
    const running = await world.reaches(id, 'running');
    await expect(world.engine.cancel(running)).rejects.toMatchObject({ reason: 'upstream_unavailable' });
    expect((await world.ends(id)).phase).toBe('succeeded');
  });

  it('that is being stored, or has ended, is refused', async () => {
    const world = await createWorld({
      behaviour: () => ({ open: [{ error: 'upstream_unavailable' }, 'whole'] }),
    });
    const { id } = await world.submit();
    await expect(world.engine.cancel(await world.reaches(id, 'storing'))).rejects.toMatchObject(TOO_LATE);
    await expect(world.engine.cancel(await world.ends(id))).rejects.toMatchObject(TOO_LATE);
  });

  it('twice has the same effect as once', async () => {
    const world = await createWorld({ behaviour: WORKING });
    const { id } = await world.submit();
    const running = await world.reaches(id, 'running');
    const [one, two] = await Promise.all([world.engine.cancel(running), world.engine.cancel(running)]);
    expect(one).toEqual(two);
    expect(await world.engine.cancel(one)).toEqual(one);
    expect(await world.ledger(id)).toEqual(REFUNDED);
  });
});

describe('crossing answers', () => {
  it('cannot fail a task that has finished in the meantime', async () => {
    const world = await createWorld({
      behaviour: () => ({ answers: ['succeeded', { failed: 'upstream_failed', message: 'No.' }] }),
    });
    const held = world.provider.hold('poll');
    const { id } = await world.submit();
    const { attempt } = await world.reaches(id, 'running');
    // Two polls are in progress at a time; their answers arrive together, the good one first.
    world.engine.hint('one', attempt?.upstreamId ?? '');
    world.engine.hint('one', attempt?.upstreamId ?? '');
    held.release();
    expect((await world.ends(id)).phase).toBe('succeeded');
  });
});

describe('a stored cancel request', () => {
  it('is withdrawn if the upstream refuses it, and the task continues', async () => {
    const world = await createWorld({
      behaviour: () => ({ cancel: ['too_late'], answers: ['in_progress', 'succeeded'] }),
    });
    const held = world.provider.hold('submit');
    const { id } = await world.submit();
    await world.engine.cancel(await world.reaches(id, 'submitting'));
    const heard: boolean[] = [];
    world.feed.onTask(id, ({ task }) => heard.push(task.cancelRequestedAt !== undefined));
    held.release();
    const task = await world.ends(id);
    expect(task.phase).toBe('succeeded');
    expect(task.cancelRequestedAt).toBeUndefined();
    expect(heard).toContain(true);
    expect(heard.at(-1)).toBe(false);
  });

  it('ends a task that waits for its next turn', async () => {
    const world = await createWorld({
      limits: { inFlight: 1 },
      behaviour: () => ({ start: [{ refuse: 'rate_limited', retryAfterMs: 60_000 }, 'accepted'] }),
    });
    const held = world.provider.hold('submit');
    const { id } = await world.submit();
    const noted = await world.engine.cancel(await world.reaches(id, 'submitting'));
    // Its place is free for the next one.
    const next = await world.submit('next');
    held.release();
    await world.idle();
    expect((await world.task(noted.id)).error).toMatchObject(CANCELLED);
    expect((await world.ends(next.id)).phase).toBe('succeeded');
  });
});

describe('a cancel that crosses an answer', () => {
  /** A running task whose cancel has reached the upstream, which answers when the test says so. */
  async function crossing(answers: () => AnswerStep) {
    const reached = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    const world = await createWorld({
      behaviour: () => ({ answers: [answers()], open: [{ error: 'upstream_unavailable' }] }),
      provider: (provider) => ({
        ...provider,
        async cancel() {
          reached.resolve();
          await answer.promise;
          return 'cancelled';
        },
      }),
    });
    const { id } = await world.submit();
    const running = await world.reaches(id, 'running');
    const cancelled = world.engine.cancel(running).catch((error: unknown) => error);
    await reached.promise;
    const hint = async () => {
      world.engine.hint('one', running.attempt?.upstreamId ?? '');
      for (let turns = 0; turns < 30; turns++) await new Promise((resolve) => setImmediate(resolve));
    };
    return { world, id, hint, answer, cancelled };
  }

  it('about the end of the job does not end a task with a video', async () => {
    const { world, id, hint, answer, cancelled } = await crossing(() => 'succeeded');
    await hint();
    expect((await world.task(id)).phase).toBe('storing');
    answer.resolve();
    expect(await cancelled).toMatchObject({ ...TOO_LATE, message: expect.stringMatching(/being stored/) });
    expect((await world.task(id)).phase).toBe('storing');
  });

  it('about a failure reports that failure', async () => {
    const { world, id, hint, answer, cancelled } = await crossing(() => ({
      failed: 'upstream_failed',
      message: 'No.',
    }));
    await hint();
    expect((await world.task(id)).phase).toBe('failed');
    answer.resolve();
    expect(await cancelled).toMatchObject({
      ...TOO_LATE,
      message: expect.stringMatching(/has failed already/),
    });
  });

  it('with the same content has the same result', async () => {
    const { world, id, hint, answer, cancelled } = await crossing(() => ({
      failed: 'cancelled',
      message: 'Cancelled.',
    }));
    await hint();
    answer.resolve();
    expect(await cancelled).toMatchObject({
      id,
      phase: 'failed',
      error: { reason: 'cancelled', message: 'Cancelled.' },
    });
    expect(await world.engine.cancel(await world.task(id))).toMatchObject({ error: { reason: 'cancelled' } });
  });
});

describe('a task that is not active here', () => {
  it('cannot be cancelled if it was never accepted', async () => {
    const world = await createWorld();
    await expect(world.engine.cancel(aTask())).rejects.toMatchObject({ status: 404 });
  });

  it('that has failed cannot be cancelled', async () => {
    const world = await createWorld({
      behaviour: () => ({ answers: [{ failed: 'upstream_failed', message: 'No.' }] }),
    });
    const task = await world.ends((await world.submit()).id);
    await expect(world.engine.cancel(task)).rejects.toMatchObject({
      ...TOO_LATE,
      message: expect.stringMatching(/has failed already/),
    });
  });

  it('stays cancelled for the next process if this one stops', async () => {
    const world = await createWorld();
    const task = aTask({ owner: 'before' });
    await world.store.accept(anAcceptance(task));
    await expect(world.engine.cancel(task)).rejects.toMatchObject({ status: 503 });
  });
});
