import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createHealth } from '../../src/limits/health.ts';
import { SendRefused, UpstreamError } from '../../src/providers/provider.ts';
import { createManualTimers } from '../support/manualTimers.ts';

/** The health of a server that answers, or throws what `error` is. */
function aServer() {
  const timers = createManualTimers();
  const server = {
    error: undefined as Error | undefined,
    asked: [] as number[],
    changes: 0,
    isUsed: true,
    logged: [] as string[],
  };
  const note = ({ event }: { event: string }) => void server.logged.push(event);
  const health = createHealth({
    account: { id: 'gpus.a' },
    timers,
    isUsed: () => server.isUsed,
    log: { warn: note, info: note } as never,
    changed: () => {
      server.changes += 1;
    },
    async reach() {
      server.asked.push(timers.trueTime());
      if (server.error) throw server.error;
    },
  });
  const advance = async (ms: number) => {
    const until = timers.trueTime() + ms;
    for (let next = timers.nextAt(); next !== undefined && next <= until; next = timers.nextAt()) {
      timers.moveTo(next);
      await turn();
    }
    timers.moveTo(until);
    await turn();
  };
  return { server, health, timers, advance };
}

const GONE = new UpstreamError('upstream_unavailable', { created: 'no' });

it('asks nothing of a server until a call has failed', async () => {
  const { server, health, advance } = aServer();
  await advance(3_600_000);
  expect(server.asked).toEqual([]);
  health.check();
  await advance(3_600_000);
  expect(server.asked).toHaveLength(1);
  expect(health.isDown).toBe(false);
  expect(server.logged).toEqual([]);
});

it('asks a server that is down again, ever more rarely but each minute, until it answers', async () => {
  const { server, health, advance } = aServer();
  server.error = GONE;
  health.check();
  await advance(0);
  expect(health.isDown).toBe(true);
  await advance(600_000);
  const gaps = server.asked.slice(1).map((at, index) => at - (server.asked[index] ?? 0));
  expect(gaps.slice(0, 8)).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  expect(health.nextCheckIn()).toBeLessThanOrEqual(60_000);

  server.error = undefined;
  await advance(60_000);
  expect(health.isDown).toBe(false);
  expect(health.nextCheckIn()).toBeUndefined();
  expect(server.logged).toEqual(['account.unreachable', 'account.reachable']);
  const { length } = server.asked;
  await advance(600_000);
  expect(server.asked).toHaveLength(length);
});

it('does not take a server for down because this node may not send', async () => {
  const { server, health, advance } = aServer();
  server.error = new SendRefused();
  health.check();
  await advance(600_000);
  expect(health.isDown).toBe(false);
  expect(server.asked).toHaveLength(1);
});

it('asks a server that is down on and on, even if this node may not send for a while', async () => {
  const { server, health, advance } = aServer();
  server.error = GONE;
  health.check();
  await advance(0);
  server.error = new SendRefused();
  await advance(5000);
  server.error = undefined;
  await advance(60_000);
  expect(health.isDown).toBe(false);
});

it('asks at once when an operator wants it, and one question at a time', async () => {
  const { server, health, advance } = aServer();
  server.error = GONE;
  health.check();
  health.check();
  await advance(0);
  expect(server.asked).toHaveLength(1);
  server.error = undefined;
  health.check();
  await advance(0);
  expect(health.isDown).toBe(false);
});

it('does not ask on and on whether a server answers that gets no tasks', async () => {
  const { server, health, advance } = aServer();
  server.error = GONE;
  server.isUsed = false;
  health.check();
  await advance(600_000);
  expect(server.asked).toHaveLength(1);
  expect(health.isDown).toBe(true);
  server.isUsed = true;
  server.error = undefined;
  health.check();
  await advance(0);
  expect(health.isDown).toBe(false);
});

it('asks nothing any more once it is stopped', async () => {
  const { server, health, advance } = aServer();
  server.error = GONE;
  health.check();
  await advance(0);
  health.stop();
  health.check();
  await advance(600_000);
  expect(server.asked).toHaveLength(1);
});
