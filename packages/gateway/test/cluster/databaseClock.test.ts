import { pino } from 'pino';
import { expect, it, onTestFinished, vi } from 'vitest';
import { joinCluster } from '../../src/cluster/postgres/cluster.ts';
import { createDatabaseClock } from '../../src/cluster/postgres/databaseClock.ts';
import { openStore } from '../store/postgres/openStore.ts';
import { QUICK, startTestGateway } from '../support/gateway.ts';
import { STEADY } from '../support/nodes/clusters.ts';
import { connect, freshDatabase } from '../support/servers/database.ts';

const DAY_MS = 86_400_000;
/** What the server's clock shows. */
const NOON = Date.parse('2026-11-28T12:00:00Z');

it('shows the server’s time, whatever the machine’s clock shows and however it is set', () => {
  let monotonic = 5_000;
  let machine = NOON - DAY_MS;
  const clock = createDatabaseClock(() => monotonic, { now: () => machine });
  monotonic += 20;
  clock.received(NOON, 5_000);
  expect(Math.abs(clock.now() - NOON)).toBeLessThanOrEqual(20);
  machine += 10 * DAY_MS;
  monotonic += 60_000;
  expect(Math.abs(clock.now() - (NOON + 60_000))).toBeLessThanOrEqual(20);
});

it('follows a server whose clock was set, and ignores a slow answer', () => {
  let monotonic = 0;
  const clock = createDatabaseClock(() => monotonic, { now: () => NOON });
  clock.received(NOON, 0);
  monotonic = 3_000;
  // Answered at once, but on its way for three seconds.
  clock.received(NOON, 0);
  expect(clock.now()).toBe(NOON + 3_000);
  monotonic = 4_000;
  clock.received(NOON + 4_000 + DAY_MS, 4_000);
  expect(clock.now()).toBe(NOON + 4_000 + DAY_MS);
  clock.received(NOON + 4_000, 4_000);
  expect(clock.now()).toBe(NOON + 4_000);
});

it('is the node’s clock from the moment it joins, and follows the server with each ping', async () => {
  const url = await freshDatabase();
  await openStore(url);
  const machine = { now: () => 0 };
  const timings = { ...STEADY.timings, pingMs: 10, leaseMs: DAY_MS };
  let monotonic = 0;
  const log = pino({ level: 'silent' });
  const cluster = await joinCluster({ ...STEADY, timings, url, log, machine, now: () => monotonic });
  onTestFinished(() => cluster.close());
  const client = await connect(url);
  const { rows } = await client.query<{ at: number }>(
    'select (extract(epoch from clock_timestamp()) * 1000)::float8 as at',
  );
  // The server sent its time between the join and now.
  const passed = (rows[0]?.at ?? 0) - cluster.clock.now();
  expect(passed).toBeGreaterThanOrEqual(0);
  expect(passed).toBeLessThan(60_000);
  // This node's own clock runs away, by less than its lease.
  monotonic = DAY_MS / 2;
  await vi.waitUntil(() => cluster.clock.now() < (rows[0]?.at ?? 0) + DAY_MS / 4, { timeout: 60_000 });
});

it('keeps an unexpired key at a node whose machine is two days ahead', async () => {
  const settings = { ONETAKE_DATABASE_URL: await freshDatabase() };
  const init = { headers: { 'idempotency-key': 'once' } };
  const first = await startTestGateway(settings);
  onTestFinished(() => first.end());
  const { body: submitted } = await first.submit(QUICK, init);

  const machineNow = Date.now;
  vi.spyOn(Date, 'now').mockImplementation(() => machineNow() + 2 * DAY_MS);
  onTestFinished(() => void vi.restoreAllMocks());
  const ahead = await startTestGateway(settings);
  onTestFinished(() => ahead.end());
  const { status, body } = await ahead.submit(QUICK, init);
  expect(status).toBe(200);
  expect(body.task_id).toBe(submitted.task_id);
});
