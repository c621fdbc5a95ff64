import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createLearning } from '../../../src/engine/tracking/learning.ts';
import type { EstimateStore, StoredEstimate } from '../../../src/store/store.ts';
import { createManualCluster } from '../../support/manualCluster.ts';
import { createManualTimers } from '../../support/manualTimers.ts';

const KIND = { account: 'one', model: 'sora-2', resolution: '720p', durationSeconds: 8 };
const PRIOR = { medianSeconds: 100, p90Seconds: 200 };

/** What is stored, for several nodes. `failing`: it is down. */
function estimateStore() {
  const rows = new Map<string, StoredEstimate>();
  const store: EstimateStore & { failing: boolean; reads: number } = {
    failing: false,
    reads: 0,
    async estimates(since) {
      store.reads += 1;
      if (store.failing) throw new Error('the store is down');
      return [...rows.values()].filter(({ updatedAt }) => updatedAt >= since);
    },
    estimate: async (kind) => rows.get(kind),
    async putEstimate({ kind, data, version }) {
      if (store.failing) throw new Error('the store is down');
      if ((rows.get(kind)?.version ?? 0) !== version) return false;
      rows.set(kind, { kind, data, version: version + 1, updatedAt: 1000 + rows.size });
      return true;
    },
  };
  return { store, rows };
}

function nodeOn(store: EstimateStore, { shared = true } = {}) {
  const timers = createManualTimers();
  const logged: Record<string, unknown>[] = [];
  const log = pino({}, { write: (line: string) => logged.push(JSON.parse(line)) });
  const cluster = Object.assign(createManualCluster(), { shared });
  const learning = createLearning({ store, cluster, timers, log });
  return {
    learning,
    timers,
    logged,
    learn(count: number, ms: number) {
      for (let n = 0; n < count; n++)
        learning.estimator.learn(
          KIND,
          PRIOR,
          { outcome: 'succeeded', total: { fromMs: ms, toMs: ms } },
          timers.now(),
        );
      learning.learnt();
    },
    samples: () => learning.estimator.estimate(KIND, PRIOR).samples,
    async pass(ms: number) {
      timers.moveTo(timers.trueTime() + ms);
      for (let turns = 0; turns < 20; turns++) await turn();
    },
  };
}

it('stores what was learnt after some seconds, and a restart knows it', async () => {
  const { store, rows } = estimateStore();
  const first = nodeOn(store);
  first.learn(20, 30_000);
  await first.pass(9999);
  expect(rows.size).toBe(0);
  await first.pass(1);
  expect(rows.size).toBe(1);
  expect(first.timers.nextAt()).toBeUndefined();
  const second = nodeOn(store);
  await second.learning.start();
  expect(second.samples()).toBeCloseTo(first.samples(), 1);
});

it('stores the rest at the end', async () => {
  const { store, rows } = estimateStore();
  const node = nodeOn(store);
  node.learn(1, 30_000);
  await node.learning.stop();
  expect(rows.size).toBe(1);
});

it('adds up what nodes learn at the same time', async () => {
  const { store } = estimateStore();
  const nodes = [nodeOn(store), nodeOn(store), nodeOn(store)];
  for (const node of nodes) node.learn(10, 30_000);
  await Promise.all(nodes.map((node) => node.pass(10_000)));
  const later = nodeOn(store);
  await later.learning.start();
  // Each sample weighs a little less with those after it.
  expect(later.samples()).toBeGreaterThan(27);
});

it('reads what other nodes have learnt, once a minute at most and only while estimates are used', async () => {
  const { store } = estimateStore();
  const [idle, other] = [nodeOn(store), nodeOn(store)];
  await idle.learning.start();
  other.learn(20, 30_000);
  await other.pass(10_000);
  await idle.pass(600_000);
  expect(store.reads).toBe(1);
  expect(idle.samples()).toBe(0);
  for (let n = 0; n < 10; n++) idle.learning.used();
  await idle.pass(0);
  expect(store.reads).toBe(2);
  expect(idle.samples()).toBeGreaterThan(18);
  await idle.pass(59_999);
  idle.learning.used();
  await idle.pass(0);
  expect(store.reads).toBe(2);
});

it('reads nothing of other nodes where there are none', async () => {
  const { store } = estimateStore();
  const node = nodeOn(store, { shared: false });
  await node.learning.start();
  await node.pass(600_000);
  node.learning.used();
  await node.pass(0);
  expect(store.reads).toBe(1);
});

it('knows what other nodes have stored by now before tasks of theirs are planned', async () => {
  const { store } = estimateStore();
  const [node, other] = [nodeOn(store), nodeOn(store)];
  await node.learning.start();
  other.learn(20, 30_000);
  await other.learning.stop();
  await Promise.all([node.learning.current(), node.learning.current()]);
  expect(node.samples()).toBeGreaterThan(18);
  expect(store.reads).toBe(2);
});

it('does not read again before that without other nodes', async () => {
  const { store } = estimateStore();
  const node = nodeOn(store, { shared: false });
  await node.learning.start();
  await node.learning.current();
  expect(store.reads).toBe(1);
});

it('reads after a minute what it could not read at the start, also without other nodes', async () => {
  const { store } = estimateStore();
  const before = nodeOn(store, { shared: false });
  before.learn(20, 30_000);
  await before.learning.stop();
  store.failing = true;
  const node = nodeOn(store, { shared: false });
  await node.learning.start();
  store.failing = false;
  await node.pass(59_999);
  node.learning.used();
  await node.pass(1);
  expect(node.samples()).toBe(0);
  node.learning.used();
  await node.pass(0);
  expect(node.samples()).toBeGreaterThan(18);
});

it('goes on without the store, and stores everything once it works again', async () => {
  const { store, rows } = estimateStore();
  store.failing = true;
  const node = nodeOn(store);
  await node.learning.start();
  node.learn(20, 30_000);
  await node.pass(10_000);
  expect(node.samples()).toBeGreaterThan(18);
  expect(node.logged.map(({ event }) => event)).toEqual(['tracking.store_failed', 'tracking.store_failed']);
  store.failing = false;
  await node.pass(10_000);
  expect(rows.size).toBe(1);
});

it('ignores rows that it cannot read', async () => {
  const { store } = estimateStore();
  for (const kind of ['no JSON', '["one"]', '["one","sora-2","720p","8"]'])
    await store.putEstimate({ kind, data: '{}', version: 0 }, 10);
  await store.putEstimate({ kind: '["one","sora-2","720p",8]', data: 'no JSON', version: 0 }, 10);
  const node = nodeOn(store);
  await node.learning.start();
  expect(node.logged).toEqual([]);
  node.learn(1, 30_000);
  await node.pass(10_000);
  expect(await store.estimate('["one","sora-2","720p",8]')).toMatchObject({ version: 2 });
});
