import { expect, it } from 'vitest';
import { EVENTS_OF_PROJECT } from '../../../src/store/postgres/events.ts';
import type { Event } from '../../../src/tasks/lifecycle.ts';
import { taskError } from '../../../src/tasks/reasons.ts';
import { eventually } from '../../support/eventually.ts';
import { connect, copyDatabase, freshDatabase, waitingForLocks } from '../../support/servers/database.ts';
import { endOf, failed, readAfter } from '../contract/events.ts';
import { accepted, moved } from '../contract/steps.ts';
import { openStore } from './openStore.ts';

const FAILED: Event = { type: 'failed', error: taskError('cancelled', 'cancelled'), outcome: 'cancelled' };

/** A store with a transition that began before others and is committed when `commit` is called. */
async function withLateTransition() {
  const url = await freshDatabase();
  const [store, other] = [await openStore(url), await openStore(url)];
  const from = await endOf(store);
  const { view } = await store.newEvents(undefined, 1);
  const slow = await accepted(store);
  const holder = await connect(url);
  await holder.query('begin');
  await holder.query('select 1 from tasks where id = $1 for update', [slow.id]);
  const late = store.commit(moved(slow, FAILED));
  const watcher = await connect(url);
  await eventually(async () => expect(await waitingForLocks(watcher)).toBe(1));
  const quick = await failed(other);
  return {
    store,
    other,
    from,
    view,
    slow,
    quick,
    async commit() {
      await holder.query('rollback');
      expect(await late).toBe(true);
    },
  };
}

it('a transition that began first and is committed last is not skipped by a stream that resumed meanwhile', async () => {
  const { store, from, view, slow, quick, commit } = await withLateTransition();
  // What is committed is read at once.
  const [first, ...more] = await readAfter(store, from);
  expect([first?.event.taskId, more]).toEqual([quick.id, []]);
  const live = await store.newEvents(view, 10);
  expect(live.events.map(({ event }) => event.taskId)).toEqual([quick.id]);
  await commit();
  // The client has seen the quick one, and goes on from its cursor, or from that of the node's reader.
  for (const cursor of [first?.cursor ?? '', live.events[0]?.cursor ?? '', live.end]) {
    const events = await readAfter(store, cursor);
    expect(events.map(({ event }) => event.taskId)).toContain(slow.id);
    // Nothing runs any more, so the order is final.
    expect(await readAfter(store, events.at(-1)?.cursor ?? '')).toEqual([]);
  }
  const later = await store.newEvents(live.view, 10);
  expect(later.events.map(({ event }) => event.taskId)).toEqual([slow.id]);
});

it('pages of one view do not have what is committed between them', async () => {
  const { store, other, view, from, slow, quick, commit } = await withLateTransition();
  const another = await failed(other);
  const page = await store.newEvents(view, 1);
  const past = await store.eventsAfter(from, { limit: 1 });
  if (!page.next || typeof past === 'string' || !past.next) throw new Error('there are no further pages');
  await commit();
  const second = await store.newEvents(view, 10, page.next);
  expect([...page.events, ...second.events].map(({ event }) => event.taskId)).toEqual([quick.id, another.id]);
  expect((await store.newEvents(second.view, 10)).events.map(({ event }) => event.taskId)).toEqual([slow.id]);
  const rest = await store.eventsAfter(past.next.after, { limit: 10, view: past.next.view });
  expect(typeof rest === 'string' ? rest : rest.events.map(({ event }) => event.taskId)).toEqual([
    another.id,
  ]);
});

it('a database that was restored elsewhere has another log, and its next events are behind the old ones', async () => {
  const url = await freshDatabase();
  const first = await openStore(url);
  const old = await failed(first);
  const cursor = await endOf(first);
  const copy = await copyDatabase(url);
  const client = await connect(copy);
  // As from a server that had run for longer.
  await client.query(`update events set tx = '9000000000000'`);
  const store = await openStore(copy);
  expect(await store.eventsAfter(cursor, { limit: 9 })).toBe('unknown');
  const from = await endOf(store);
  const next = await failed(store);
  expect((await readAfter(store, from)).map(({ event }) => event.taskId)).toEqual([next.id]);
  const { rows } = await client.query('select task_id from events order by tx, seq');
  expect(rows.map(({ task_id }) => task_id)).toEqual([old.id, next.id]);
  // It stays the same log from then on.
  const again = await openStore(copy);
  expect(await endOf(again)).toBe(await endOf(store));
});

it('a database user who may not ask where the server is can use the log all the same', async () => {
  const url = await freshDatabase();
  const client = await connect(url);
  await openStore(url);
  await client.query('revoke execute on function pg_control_system() from public');
  await client.query(`create role limited_${Date.now()} login`);
  const { rows } = await client.query(
    `select rolname from pg_roles where rolname like 'limited_%' order by rolname desc limit 1`,
  );
  const role = rows[0].rolname;
  await client.query(
    `grant all on all tables in schema public to ${role}; grant all on all sequences in schema public to ${role}`,
  );
  const limited = new URL(url);
  limited.username = role;
  const store = await openStore(limited.href);
  const from = await endOf(store);
  const { id } = await failed(store);
  expect((await readAfter(store, from)).map(({ event }) => event.taskId)).toEqual([id]);
});

it('a stream of a small project reads its own events only, whatever plan the server chooses', async () => {
  const url = await freshDatabase();
  await openStore(url);
  const client = await connect(url);
  await client.query(`
    insert into events (id, project_id, key_id, task_id, type, model, at, task)
    select n::text, case when n % 1000 = 0 then 'small' else 'large' end, 'k', n::text, 'video.failed', 'm', n, '{}'
    from generate_series(1, 20000) as n`);
  await client.query('analyze events');
  await client.query(`prepare past as ${EVENTS_OF_PROJECT}`);
  for (const mode of ['force_custom_plan', 'force_generic_plan']) {
    await client.query(`set plan_cache_mode = ${mode}`);
    const { rows } = await client.query(
      "explain (analyze, timing off, costs off) execute past(null, '0', '0', 100, 'small')",
    );
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toMatch(/Index Scan using events_by_project on events .*rows=20(?:\.00)? /);
    expect(plan).not.toMatch(/Seq Scan on events|events_by_place|Sort/);
  }
});
