import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMessage, MAX_PAYLOAD_BYTES } from '../../../src/cluster/messages.ts';
import { COUNTING_LOCK_CLASS, LOCK_CLASS, nodeName } from '../../../src/store/postgres/nodes.ts';
import type { SharedLimitStore, Store } from '../../../src/store/store.ts';
import { newId } from '../../../src/tasks/ids.ts';
import { type Event, LINGER_MS, move } from '../../../src/tasks/lifecycle.ts';
import { occupiesPlace } from '../../../src/tasks/places.ts';
import { taskError } from '../../../src/tasks/reasons.ts';
import type { AttemptOutcome, Task } from '../../../src/tasks/task.ts';
import { START_OF_TIME } from '../../support/builders.ts';
import { eventually } from '../../support/eventually.ts';
import { connect, freshDatabase, waitingForLocks } from '../../support/servers/database.ts';
import { accepted, INTENT, intended, moved } from '../contract/steps.ts';
import { openStore } from './openStore.ts';

const NOW = START_OF_TIME + 1000;
const SUCCEEDED: Event = { type: 'upstream_succeeded', result: { ref: 'there' } };
const failed = (outcome: AttemptOutcome): Event => ({
  type: 'failed',
  error: taskError('upstream_failed', 'words'),
  outcome,
});

type Node = Store & { readonly sharedLimits: SharedLimitStore };

/** Nodes on one database. */
async function openNodes(count: number): Promise<{ url: string; nodes: Node[] }> {
  const url = await freshDatabase();
  const nodes: Node[] = [];
  for (let number = 1; number <= count; number++) {
    const store = await openStore(url, { cluster: { node: nodeName(number) } });
    const { sharedLimits } = store;
    if (!sharedLimits) throw new Error('the store has no shared limits');
    nodes.push({ ...store, sharedLimits });
  }
  return { url, nodes };
}

async function openNode(): Promise<{ url: string; node: Node }> {
  const { url, nodes } = await openNodes(1);
  const [node] = nodes;
  if (!node) throw new Error('there is no node');
  return { url, node };
}

const intentOf = (task: Task, accountId = 'account') =>
  moved(task, { ...INTENT, accountId, idempotencyKey: newId() });

const many = (store: Store, count: number): Promise<Task[]> =>
  Promise.all(Array.from({ length: count }, () => accepted(store)));

const placesOf = async ({ sharedLimits }: Node, account = 'account') =>
  (await sharedLimits.places([account])).get(account);

/** A running task on an account. */
async function running(node: Node, accountId = 'account'): Promise<Task> {
  const made = moved(await intended(node, { accountId }), {
    type: 'submit_confirmed',
    upstreamId: newId(),
    working: true,
  });
  expect(await node.claim(made)).toBe('claimed');
  return made.task;
}

describe('an intent', () => {
  it('takes a place while one is free, and is refused without changing the task when none is', async () => {
    const { node } = await openNode();
    const [first, second] = await many(node, 2);
    if (!first || !second) throw new Error('there are no tasks');
    expect(await node.intend(intentOf(first), 1)).toBe('written');
    expect(await node.intend(intentOf(second), 1)).toBe('no_place');
    expect(await node.task(second.id)).toStrictEqual(second);
    expect(await placesOf(node)).toBe(1);
    expect(await node.intend(intentOf(second), 2)).toBe('written');
    expect(await placesOf(node)).toBe(2);
  });

  it('that another driver was faster than is lost, and takes no place', async () => {
    const { node } = await openNode();
    const task = await accepted(node);
    expect(await node.intend(intentOf(task), 5)).toBe('written');
    expect(await node.intend(intentOf(task), 5)).toBe('lost');
    expect(await placesOf(node)).toBe(1);
  });

  it('of a batch gets a place in the order of the batch, the others are written meanwhile', async () => {
    const { node } = await openNode();
    const tasks = await many(node, 20);
    const other = await running(node, 'other');
    const outcomes = await Promise.all([
      ...tasks.map((task) => node.intend(intentOf(task), 7)),
      node.commit(moved(other, SUCCEEDED)),
    ]);
    expect(outcomes).toEqual([...Array(7).fill('written'), ...Array(13).fill('no_place'), true]);
    expect([await placesOf(node), await placesOf(node, 'other')]).toEqual([7, 0]);
  });

  it('of two nodes at the same moment: one gets the last place', async () => {
    const { nodes } = await openNodes(2);
    const [one, other] = nodes;
    if (!one || !other) throw new Error('there are no nodes');
    for (let round = 1; round <= 15; round++) {
      const tasks = await many(one, 2);
      const outcomes = await Promise.all(
        tasks.map((task, at) => (at === 0 ? one : other).intend(intentOf(task), round)),
      );
      expect(outcomes.sort()).toEqual(['no_place', 'written']);
    }
    expect(await placesOf(one)).toBe(15);
  });

  it('that waits for the counter sees what its holder has written', async () => {
    const { url, node } = await openNode();
    const [task, next] = await many(node, 2);
    if (!task || !next) throw new Error('there are no tasks');
    expect(await node.intend(intentOf(task), 1)).toBe('written');
    // Another node frees the place, and has not committed yet.
    const holder = await connect(url);
    const free = `update account_places set in_flight = in_flight - 1 where account_id = 'account'`;
    await holder.query('begin');
    await holder.query(free);
    const intending = node.intend(intentOf(next), 1);
    await eventually(async () => expect(await waitingForLocks(holder)).toBe(1));
    await holder.query('commit');
    expect(await intending).toBe('written');
    expect(await placesOf(node)).toBe(1);
  });

  it('never deadlocks, whatever the order of accounts and tasks in simultaneous batches', async () => {
    const { url, nodes } = await openNodes(3);
    const accounts = Array.from({ length: 12 }, (_, at) => `account-${at}`);
    const [first] = nodes;
    if (!first) throw new Error('there are no nodes');
    const limit = 4;
    for (let round = 0; round < 6; round++) {
      const written = await Promise.all(
        nodes.map(async (node, at) => {
          const tasks = await many(node, 60);
          const order = at % 2 === 0 ? accounts : accounts.toReversed();
          const moves = tasks.map((task, n) => intentOf(task, order[n % order.length]));
          const outcomes = await Promise.all(moves.map((made) => node.intend(made, limit)));
          return moves.filter((_, n) => outcomes[n] === 'written');
        }),
      );
      const taken = await first.sharedLimits.places(accounts);
      expect([...taken.values()]).toEqual(accounts.map(() => limit));
      // Every node ends jobs of every account, in another order than that in which they began.
      const moves = written.flat().toReversed();
      const ended = await Promise.all(
        moves.map((made, n) => nodes[n % nodes.length]?.commit(moved(made.task, failed('refused')))),
      );
      expect(ended.every(Boolean)).toBe(true);
      expect([...(await first.sharedLimits.places(accounts)).values()]).toEqual(accounts.map(() => 0));
    }
    const client = await connect(url);
    const deadlocks = 'select deadlocks::int from pg_stat_database where datname = current_database()';
    expect((await client.query(deadlocks)).rows).toEqual([{ deadlocks: 0 }]);
  });
});

describe('a place', () => {
  it('is freed by the move that learns that the job has ended', async () => {
    const { node } = await openNode();
    const ends: Event[] = [SUCCEEDED, failed('failed'), failed('cancelled'), failed('refused')];
    for (const end of ends) {
      const task = await running(node);
      expect(await placesOf(node)).toBe(1);
      expect(await node.commit(moved(task, end))).toBe(true);
      expect(await placesOf(node)).toBe(0);
    }
    const refused = moved(await intended(node), { type: 'submit_refused' });
    expect(await node.commit(refused)).toBe(true);
    expect(await placesOf(node)).toBe(0);
  });

  it('of a write whose answer was lost is counted once if the write is repeated', async () => {
    const { node } = await openNode();
    const intent = intentOf(await accepted(node));
    expect(await node.intend(intent, 3)).toBe('written');
    expect(await node.intend(intent, 3)).toBe('lost');
    const end = moved(intent.task, failed('refused'));
    expect([await node.commit(end), await node.commit(end)]).toEqual([true, false]);
    expect(await placesOf(node)).toBe(0);
  });

  it('stays taken when another node adopts the task, or is given it', async () => {
    const { nodes } = await openNodes(2);
    const [one, other] = nodes;
    if (!one || !other) throw new Error('there are no nodes');
    const task = await running(one);
    // No session holds the lock of its owner, so the owner is dead.
    const [adopted] = await other.adopt('node-2', 10);
    expect(adopted?.id).toBe(task.id);
    expect(await placesOf(other)).toBe(1);
    expect(await other.transfer('node-2', 'node-1', adopted ? [adopted] : [])).toEqual([task.id]);
    expect(await placesOf(one)).toBe(1);
    const [back] = await one.tasks([task.id]);
    expect(back && (await one.commit(moved(back, SUCCEEDED)))).toBe(true);
    expect(await placesOf(one)).toBe(0);
  });

  it('of a job whose end was not learnt lingers until its bound, and freed once', async () => {
    const { nodes } = await openNodes(2);
    const [one, other] = nodes;
    if (!one || !other) throw new Error('there are no nodes');
    const tasks = [await running(one), await running(one), await running(one, 'other')];
    for (const task of tasks) expect(await one.commit(moved(task, failed('expired'), NOW))).toBe(true);
    expect([await placesOf(one), await placesOf(one, 'other')]).toEqual([2, 1]);
    expect(await one.sharedLimits.freeLingeringPlaces(NOW + LINGER_MS - 1)).toEqual([]);
    const freed = await Promise.all(
      nodes.map((node) => node.sharedLimits.freeLingeringPlaces(NOW + LINGER_MS)),
    );
    expect(freed.flat().sort((a, b) => a.account.localeCompare(b.account))).toEqual([
      { account: 'account', inFlight: 0 },
      { account: 'other', inFlight: 0 },
    ]);
    expect((await one.task(tasks[0]?.id ?? ''))?.attempt).not.toHaveProperty('placeUntil');
    expect(await one.lingeringPlaces(0)).toEqual([]);
  });

  it('that lingers is freed at the next look if the end is learnt before the bound', async () => {
    const { node } = await openNode();
    const expired = moved(await running(node), failed('expired'), NOW);
    expect(await node.commit(expired)).toBe(true);
    const late = moved(expired.task, { type: 'finished_late', result: { ref: 'r' } }, NOW + 5);
    expect(await node.commit(late)).toBe(true);
    expect(await node.sharedLimits.freeLingeringPlaces(NOW + 5)).toEqual([
      { account: 'account', inFlight: 0 },
    ]);
  });

  it('that was freed at its bound does not linger again for a driver that does not know that', async () => {
    const { node } = await openNode();
    const expired = moved(await running(node), failed('expired'), NOW);
    expect(await node.commit(expired)).toBe(true);
    expect(await node.sharedLimits.freeLingeringPlaces(NOW + LINGER_MS)).toHaveLength(1);
    expect(await node.commit(moved(expired.task, { type: 'deleted' }))).toBe(true);
    expect((await node.task(expired.task.id))?.attempt).not.toHaveProperty('placeUntil');
    expect(await node.sharedLimits.recountPlaces()).toEqual([]);
    expect(await placesOf(node)).toBe(0);
  });
});

describe('a counter', () => {
  it('is made with the attempts that occupy a place', async () => {
    const { url, node } = await openNode();
    await running(node);
    await intended(node);
    const expired = moved(await running(node), failed('unknown'), NOW);
    expect(await node.commit(expired)).toBe(true);
    expect(await node.commit(moved(await running(node), SUCCEEDED))).toBe(true);
    const client = await connect(url);
    await client.query('delete from account_places');
    expect(await node.sharedLimits.places(['account', 'other'])).toEqual(
      new Map([
        ['account', 3],
        ['other', 0],
      ]),
    );
  });

  it('that is wrong is corrected, and named', async () => {
    const { url, node } = await openNode();
    await running(node, 'a');
    await running(node, 'b');
    await running(node, 'c');
    const client = await connect(url);
    await client.query(`update account_places set in_flight = 5 where account_id in ('a', 'b')`);
    expect(await node.sharedLimits.recountPlaces(['a', 'c'])).toEqual([{ account: 'a', was: 5, is: 1 }]);
    expect(await node.sharedLimits.recountPlaces()).toEqual([{ account: 'b', was: 5, is: 1 }]);
    expect(await node.sharedLimits.recountPlaces()).toEqual([]);
    // A job that a node of an earlier version has ended.
    await client.query(`update account_places set in_flight = 0 where account_id = 'a'`);
    const [task] = await node.owned('node', 10);
    expect(task && (await node.commit(moved(task, failed('failed'))))).toBe(true);
    expect(await placesOf(node, 'a')).toBe(0);
  });

  it('is counted with every write that was made before, while others go on', async () => {
    const { nodes } = await openNodes(2);
    const [one, other] = nodes;
    if (!one || !other) throw new Error('there are no nodes');
    for (let round = 0; round < 10; round++) {
      const tasks = await many(one, 20);
      const intents = tasks.map((task) => intentOf(task));
      const [wrong] = await Promise.all([
        other.sharedLimits.recountPlaces(['account']),
        ...intents.map((made) => one.intend(made, 1000)),
      ]);
      expect(wrong).toEqual([]);
      const [again] = await Promise.all([
        other.sharedLimits.recountPlaces(['account']),
        ...intents.map(({ task }) => one.commit(moved(task, failed('refused')))),
      ]);
      expect(again).toEqual([]);
    }
    expect(await placesOf(one)).toBe(0);
  });

  it('is told to this node and, with the moves, to the others', async () => {
    const { url, node } = await openNode();
    const client = await connect(url);
    const payloads: string[] = [];
    client.on('notification', ({ payload = '' }) => payloads.push(payload));
    await client.query('listen onetake');
    const told: [string, number][] = [];
    const unsubscribe = node.sharedLimits.onPlaces((...places) => told.push(places));
    const tasks = await many(node, 2);
    const moves = tasks.map((task, at) => intentOf(task, `account-${at}`));
    await Promise.all(moves.map((made) => node.intend(made, 1)));
    expect(told.sort()).toEqual([
      ['account-0', 1],
      ['account-1', 1],
    ]);
    const third = intentOf(await accepted(node), 'account-0');
    expect(await node.intend(third, 1)).toBe('no_place');
    expect(told.at(-1)).toEqual(['account-0', 1]);
    unsubscribe();
    expect(await node.commit(moved(moves[0]?.task as Task, failed('unknown'), NOW))).toBe(true);
    await node.sharedLimits.freeLingeringPlaces(NOW + LINGER_MS);
    expect(told).toHaveLength(3);
    const messages = await eventually(async () => {
      const received = payloads.map((payload) => decodeMessage(payload)?.message);
      expect(received).toHaveLength(3);
      return received;
    });
    expect(messages).toMatchObject([
      {
        tasks: moves.map(({ task }) => [task.id, 2]),
        places: [
          ['account-0', 1],
          ['account-1', 1],
        ],
      },
      { kind: 'moved', tasks: [[moves[0]?.task.id, 3]] },
      { kind: 'moved', tasks: [], places: [['account-0', 0]] },
    ]);
    expect(messages[1]).not.toHaveProperty('places');
  });

  it('is left out of a message that it does not fit into', async () => {
    const { url, node } = await openNode();
    const client = await connect(url);
    const payloads: string[] = [];
    client.on('notification', ({ payload = '' }) => payloads.push(payload));
    await client.query('listen onetake');
    const tasks = await many(node, 150);
    const outcomes = await Promise.all(
      tasks.map((task, at) => node.intend(intentOf(task, `${'a'.repeat(60)}-${at}`), 1)),
    );
    expect(outcomes).toEqual(outcomes.map(() => 'written'));
    const received = await eventually(async () => {
      const messages = payloads.flatMap((payload) => decodeMessage(payload)?.message ?? []);
      const moves = messages.flatMap((message) => (message.kind === 'moved' ? [message] : []));
      expect(moves.flatMap((message) => message.tasks)).toHaveLength(150);
      return moves;
    });
    for (const payload of payloads) expect(Buffer.byteLength(payload)).toBeLessThan(MAX_PAYLOAD_BYTES);
    expect(received.flatMap(({ places = [] }) => places).length).toBeGreaterThan(0);
  });
});

describe('a node of an earlier version', () => {
  it('is one that lives and does not hold the lock of those that count places', async () => {
    const { url, node } = await openNode();
    const [old, current] = [await connect(url), await connect(url)];
    await old.query('select pg_advisory_lock($1, 7)', [LOCK_CLASS]);
    await current.query('select pg_advisory_lock($1, 8), pg_advisory_lock($2, 8)', [
      COUNTING_LOCK_CLASS,
      LOCK_CLASS,
    ]);
    expect(await node.sharedLimits.oldNodes()).toEqual(['node-7']);
    await old.query('select pg_advisory_unlock_all()');
    expect(await node.sharedLimits.oldNodes()).toEqual([]);
  });
});

const anEvent = fc.oneof(
  { weight: 5, arbitrary: fc.constant('intend' as const) },
  { weight: 3, arbitrary: fc.constant<Event>({ type: 'submit_confirmed', upstreamId: 'u', working: false }) },
  { weight: 2, arbitrary: fc.constant(SUCCEEDED) },
  { weight: 1, arbitrary: fc.constant<Event>({ type: 'submit_refused' }) },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom<AttemptOutcome>('refused', 'failed', 'cancelled', 'expired', 'unknown')
      .map(failed),
  },
  { weight: 1, arbitrary: fc.constant<Event>({ type: 'finished_late', result: { ref: 'r' } }) },
  { weight: 1, arbitrary: fc.constant<Event>({ type: 'ended_late' }) },
  { weight: 1, arbitrary: fc.constant<Event>({ type: 'deleted' }) },
);

const LIMITS = { a: 1, b: 3 } as const;

/** A step that a node takes while the others take theirs: a move of a task, or what nodes do from time to time. */
const aStep = fc.record({
  node: fc.nat(2),
  task: fc.nat(7),
  account: fc.constantFrom<keyof typeof LIMITS>('a', 'b'),
  does: fc.oneof(
    { weight: 8, arbitrary: anEvent },
    { weight: 1, arbitrary: fc.constantFrom('free', 'recount', 'adopt') },
  ),
  /** The answer is lost, and the write is repeated. */
  twice: fc.boolean(),
});

it('whatever nodes do at once, the counters are the attempts that occupy a place, and never above the limit', async () => {
  const { nodes } = await openNodes(3);
  const [first] = nodes;
  if (!first) throw new Error('there is no node');
  const rounds = fc.array(fc.array(aStep, { minLength: 1, maxLength: 10 }), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(rounds, async (history) => {
      const suffix = newId();
      const accountOf = (name: string) => `${name}-${suffix}`;
      const ids = (await many(first, 8)).map(({ id }) => id);
      let now = NOW;
      for (const steps of history) {
        now += LINGER_MS / 4;
        // All nodes decide on what they read before the others have written.
        const tasks = new Map((await first.tasks(ids)).map((task) => [task.id, task]));
        const at = now;
        await Promise.all(
          steps.map(async ({ node: n, task: which, account, does, twice }) => {
            const node = nodes[n] as Node;
            const task = tasks.get(ids[which] ?? '') as Task;
            if (does === 'free') return node.sharedLimits.freeLingeringPlaces(at);
            if (does === 'adopt') return node.adopt(`node-${n + 1}`, 3);
            if (does === 'recount') {
              return expect(await node.sharedLimits.recountPlaces()).toEqual([]);
            }
            const event: Event =
              does === 'intend'
                ? { ...INTENT, accountId: accountOf(account), idempotencyKey: newId() }
                : does.type === 'submit_confirmed'
                  ? { ...does, upstreamId: newId() }
                  : does;
            const made = move(task, event, at);
            if (!made) return undefined;
            const write = () => (does === 'intend' ? node.intend(made, LIMITS[account]) : node.commit(made));
            await write();
            return twice ? write() : undefined;
          }),
        );
        const stored = await first.tasks(ids);
        const counters = await first.sharedLimits.places(Object.keys(LIMITS).map(accountOf));
        for (const [name, limit] of Object.entries(LIMITS)) {
          const occupied = stored.filter(
            ({ attempt }) => attempt?.accountId === accountOf(name) && occupiesPlace(attempt),
          );
          expect(counters.get(accountOf(name))).toBe(occupied.length);
          expect(occupied.length).toBeLessThanOrEqual(limit);
        }
      }
      expect(await first.sharedLimits.recountPlaces()).toEqual([]);
    }),
    { numRuns: 25 },
  );
});
