import { pino } from 'pino';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { Cluster, LeaseEvent, Message } from '../../src/cluster/cluster.ts';
import { guardHistory } from '../../src/cluster/historyGuard.ts';
import { joinCluster } from '../../src/cluster/postgres/cluster.ts';
import { accepted, INTENT, moved } from '../store/contract/steps.ts';
import { openStore } from '../store/postgres/openStore.ts';
import { eventually } from '../support/eventually.ts';
import { STEADY } from '../support/nodes/clusters.ts';
import { connect, freshDatabase, ownPostgres, switchTo } from '../support/servers/database.ts';

/** Two nodes on a primary, a standby with an older state, and the switch that leads to the current one. */
async function failover(lost: 'nothing' | 'a task' | 'a move') {
  const primary = await ownPostgres();
  const first = await openStore(primary.url);
  const task = await accepted(first);
  let standby = await primary.standby();
  const database = await switchTo(primary.url);
  const log = pino({ level: 'silent' });
  const errors = vi.spyOn(log, 'error');
  const join = async () => {
    const cluster = await joinCluster({ ...STEADY, url: database.url, log });
    const guarded = guardHistory({ store: await openStore(database.url), cluster, log });
    onTestFinished(() => guarded.cluster.close());
    const events: LeaseEvent[] = [];
    guarded.cluster.onLease((event) => events.push(event));
    return { ...guarded, events };
  };
  const [node, other] = [await join(), await join()];
  if (lost === 'a task') await accepted(node.store);
  else await node.store.commit(moved(task, INTENT));
  if (lost === 'nothing') {
    await standby.close();
    standby = await primary.standby();
  }
  onTestFinished(() => standby.close());
  const client = await connect(standby.url);
  await client.query('select pg_promote()');
  database.redirect(standby.port);
  await primary.stop('crash');
  return { node, other, errors };
}

it.each(['a task', 'a move'] as const)(
  'a failover to a standby that lacks %s stops every node, with instructions',
  async (lost) => {
    const { node, errors } = await failover(lost);
    await eventually(() => expect(node.problem()).toMatch(/onetake recover/));
    expect(node.cluster.hasLease()).toBe(false);
    expect(node.events).not.toContain('joined');
    expect(errors).toHaveBeenCalledWith(
      expect.objectContaining({ event: 'store.went_back', lost: 1 }),
      expect.stringContaining('onetake recover'),
    );
  },
  60_000,
);

it('after a failover that lost nothing the nodes continue', async () => {
  const { node, other } = await failover('nothing');
  for (const { events, cluster, problem } of [node, other]) {
    await eventually(() => expect(events.at(-1)).toBe('joined'));
    expect(cluster.hasLease()).toBe(true);
    expect(problem()).toBeUndefined();
  }
}, 60_000);

it('a node that lost nothing of its own stops as soon as another node reports a loss', async () => {
  let tell: (message: Message, from: string) => void = () => undefined;
  const store = await openStore(await freshDatabase());
  const cluster: Cluster = {
    shared: true,
    node: 'node-2',
    hasLease: () => true,
    members: async () => [],
    broadcast: () => undefined,
    onMessage(listener) {
      tell = listener;
      return () => undefined;
    },
    onLease: () => () => undefined,
    close: async () => undefined,
  };
  const guarded = guardHistory({ store, cluster, log: pino({ level: 'silent' }) });
  const events: LeaseEvent[] = [];
  guarded.cluster.onLease((event) => events.push(event));
  expect(guarded.cluster.hasLease()).toBe(true);
  tell({ kind: 'went_back' }, 'node-1');
  expect(guarded.cluster.hasLease()).toBe(false);
  expect(events).toEqual(['lost']);
  expect(guarded.problem()).toContain('onetake recover');
});

it('a task whose row was damaged later does not count as lost', async () => {
  const url = await freshDatabase();
  const log = pino({ level: 'silent' });
  const store = await openStore(url);
  const cluster = await joinCluster({ ...STEADY, url, log });
  const guarded = guardHistory({ store, cluster, log });
  onTestFinished(() => guarded.cluster.close());
  const events: LeaseEvent[] = [];
  guarded.cluster.onLease((event) => events.push(event));
  const task = await accepted(guarded.store);
  const client = await connect(url);
  await client.query("update tasks set request = '{broken' where id = $1", [task.id]);
  await client.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
  );
  await eventually(() => expect(events).toContain('lost'));
  await eventually(() => expect(events.at(-1)).toBe('joined'));
  expect(guarded.problem()).toBeUndefined();
});
