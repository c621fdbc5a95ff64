import { Client, type Pool } from 'pg';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import type { Cluster, LeaseEvent, Message } from '../../../src/cluster/cluster.ts';
import { decodeMessage } from '../../../src/cluster/messages.ts';
import { type AccountState, createAccountState } from '../../../src/limits/account.ts';
import { type Admission, createAdmission, type Waiter } from '../../../src/limits/admission.ts';
import { pollRate } from '../../../src/limits/limits.ts';
import { createSharedLimits } from '../../../src/limits/shared.ts';
import type { Account, AccountLimits } from '../../../src/providers/account.ts';
import type { Permits, Rate } from '../../../src/providers/rates/permits.ts';
import { CHANNEL } from '../../../src/store/postgres/nodes.ts';
import { openPostgresStore } from '../../../src/store/postgres/store.ts';
import type { SharedLimitStore, Store } from '../../../src/store/store.ts';
import { newId, newTaskId } from '../../../src/tasks/ids.ts';
import { type Event, move } from '../../../src/tasks/lifecycle.ts';
import { taskError } from '../../../src/tasks/reasons.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { later } from '../../../src/time/clock.ts';
import type { Timers } from '../../../src/time/timers.ts';
import { anAcceptance, aTask, START_OF_TIME } from '../builders.ts';
import { LIMITS } from '../engineParts.ts';
import { createManualTimers, type ManualTimers } from '../manualTimers.ts';
import { createRecordingProvider } from '../recordingProvider.ts';
import { createRecordingUpstream } from '../servers/recordingUpstream.ts';
import { createSessions } from './sessions.ts';

/**
 * A node that shares an account with others: store, limits and admission are real, and so are the rows of its tasks. Its tasks only take
 * time, and time moves only when the test moves it, also the database's.
 */
export interface LimitNode {
  readonly name: string;
  readonly state: AccountState;
  readonly store: Store;
  /** Tasks that occupy a place, as this node knows them. */
  readonly running: readonly Task[];
  /** The number of tasks begun, and when each was, in milliseconds from the start of time. */
  readonly begun: number;
  readonly begunAt: readonly number[];
  /** Tries that found no place. */
  readonly refused: number;
  /** The tasks that wait. */
  readonly waiting: number;
  /** What an operator reads about its limits. */
  warning(): string | undefined;
  submit(tasks: number): Promise<void>;
  /** Ends this many of the tasks in flight. */
  finish(tasks: number): Promise<void>;
  /** Ends tasks in flight as expired: the upstream may still work on them. */
  expire(tasks: number): Promise<Task[]>;
  /** Adopts the tasks of dead nodes. */
  adopt(): Promise<void>;
  /** Calls whenever a rate of the account allows it, from now on. Returns when the calls were, in milliseconds from the start of time. */
  callAlways(kind?: string, rate?: Rate): readonly number[];
  /** Its lease ends: it knows that at once, and the others learn it from the database. */
  lose(): Promise<void>;
  /** It rejoins under a new name. */
  rejoin(): Promise<void>;
}

export interface LimitNodes {
  readonly url: string;
  readonly pool: Pool;
  readonly timers: ManualTimers;
  /** Statements about limits, by name. */
  readonly statements: ReadonlyMap<string, number>;
  readonly logged: readonly string[];
  /** Messages between nodes are lost from now on. */
  deafen(): void;
  /** The database cannot be reached from now on, or again. */
  fail(fails: boolean): void;
  /** The clock of the database jumps. */
  setDatabaseClock(byMs: number): void;
  node(): Promise<LimitNode>;
  /** A node of an earlier version, which counts no places. */
  oldNode(): Promise<{ submit(tasks: number): Promise<void>; end(): Promise<void> }>;
  /** Advances time, from one timer to the next and at least every `stepMs`. `each` is called after every step, when all is settled. */
  advance(ms: number, each?: () => void | Promise<void>, stepMs?: number): Promise<void>;
  settle(): Promise<void>;
  /** Attempts in flight as the rows say, lingering places included, and what the counter says. */
  counted(): Promise<{ readonly rows: number; readonly counter: number }>;
}

/** How far each node's clock is ahead of the previous node's. */
const SKEW_MS = 7_654;
/** How far the database's clock is ahead of the nodes' wall clocks. */
const AHEAD_MS = 123_456;

const skewed = (timers: Timers, ms: number): Timers => ({
  monotonic: () => later(timers.monotonic(), ms),
  after: (delay, fire) => timers.after(delay, fire),
  close: () => timers.close(),
});

export const ACCOUNT = 'one';

const anAccount = (limits: Partial<AccountLimits>): Account => ({
  id: ACCOUNT,
  providerId: 'test',
  official: false,
  provider: createRecordingProvider({ upstream: createRecordingUpstream({}) }),
  limits: { ...LIMITS, inFlight: 20, pollsPerSecond: 20, ...limits },
});

export async function createLimitNodes(limits: Partial<AccountLimits> = {}): Promise<LimitNodes> {
  const { url, pool, join, die } = await createSessions();
  await pool.query(`create table test_clock as select ${START_OF_TIME + AHEAD_MS}::float8 as now`);
  const timers = createManualTimers();
  const statements = new Map<string, number>();
  const logged: string[] = [];
  const listeners = new Map<string, Set<(message: Message, from: string) => void>>();
  const log = pino({ level: 'warn' }, { write: (line) => void logged.push(JSON.parse(line).event) });
  let jumped = 0;
  let underWay = 0;
  let heard = 0;
  let deaf = false;
  let failing = false;
  let nodes = 0;

  function deliver(message: Message, from: string): void {
    if (deaf) return;
    for (const [to, others] of listeners) {
      if (to !== from) for (const listener of [...others]) listener(message, from);
    }
  }
  const ear = new Client({ connectionString: url });
  await ear.connect();
  onTestFinished(() => ear.end());
  ear.on('notification', ({ payload = '' }) => {
    heard += 1;
    const received = decodeMessage(payload);
    if (received) deliver(received.message, received.from);
  });
  await ear.query(`listen ${CHANNEL}`);

  /** Counts the calls of these methods, and knows when they have been answered. */
  function counting<T extends object>(of: T): T {
    return new Proxy(of, {
      get(target, name) {
        const method = Reflect.get(target, name);
        if (typeof method !== 'function' || name === 'onPlaces') return method;
        return async (...given: unknown[]) => {
          statements.set(String(name), (statements.get(String(name)) ?? 0) + 1);
          underWay += 1;
          try {
            if (failing) throw new Error('the database cannot be reached');
            return await method.apply(target, given);
          } finally {
            underWay -= 1;
          }
        };
      },
    });
  }

  async function settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      const before = heard;
      for (let turns = 0; turns < 3; turns++) await new Promise(setImmediate);
      while (underWay > 0) {
        quiet = 0;
        await new Promise(setImmediate);
      }
      // What was committed before this answer has been heard with it.
      if (quiet === 1) await ear.query('select');
      if (heard !== before) quiet = 0;
    }
  }

  async function openNode(): Promise<LimitNode> {
    let name = await join();
    nodes += 1;
    const own = skewed(timers, nodes * SKEW_MS);
    let held = true;
    const leaseListeners = new Set<(event: LeaseEvent) => void>();
    const ears = new Set<(message: Message, from: string) => void>();
    listeners.set(name, ears);
    const cluster: Cluster = {
      shared: true,
      get node() {
        return name;
      },
      hasLease: () => held,
      members: async () => [...listeners.keys()],
      broadcast: (message) => deliver(message, name),
      onMessage(listener) {
        ears.add(listener);
        return () => ears.delete(listener);
      },
      onLease(listener) {
        leaseListeners.add(listener);
        return () => leaseListeners.delete(listener);
      },
      close: async () => undefined,
    };
    const opened = await openPostgresStore({
      url,
      cluster,
      poolSize: 2,
      namedStatements: true,
      limitsClock: '(select now from test_clock)',
    });
    onTestFinished(() => opened.close());
    const { sharedLimits } = opened;
    if (!sharedLimits) throw new Error('PostgreSQL has no shared limits');
    const store = counting(opened);
    const shared: SharedLimitStore = counting(sharedLimits);
    const clock = { now: () => timers.now() + AHEAD_MS + jumped };
    const sharing = createSharedLimits({ store, shared, cluster, clock, timers: own, log, after: own.after });
    onTestFinished(() => sharing.stop());
    const running = new Map<string, Task>();
    const begunAt: number[] = [];
    let refused = 0;
    const demand = () => admission.demand(state);
    const account = anAccount(limits);
    const state: AccountState = createAccountState({
      account,
      limits: sharing,
      demand,
      clock: own,
      wall: clock,
    });
    const admission: Admission = createAdmission({ accounts: [state], timers: own, mayUse: () => true });
    const polls = state.limiter.openPermits('poll', pollRate(account), () => 0);
    await sharing.start();

    /** Moves a task as the engine does. Undefined if another node drives it. */
    async function moved(task: Task, event: Event): Promise<Task | undefined> {
      const next = move(task, event, clock.now());
      if (!next || !(await store.commit(next))) return undefined;
      state.limiter.moved(next);
      return next.task;
    }

    async function begin(task: Task): Promise<void> {
      const intent = {
        type: 'submit_intended',
        accountId: ACCOUNT,
        idempotencyKey: newId(),
        upstreamModel: 'm',
      } as const;
      const next = move(task, intent, clock.now());
      if (!next) throw new Error(`a task that is ${task.phase} cannot begin`);
      const outcome = await state.limiter.intend(next).catch(() => 'lost' as const);
      if (outcome === 'no_place') {
        refused += 1;
        state.cancelSubmit();
        enqueue(task, true);
        return;
      }
      state.limiter.release(task.id);
      if (outcome === 'lost') return state.cancelSubmit();
      begunAt.push(timers.now() - START_OF_TIME);
      running.set(task.id, next.task);
      state.worked();
      const confirmed = { type: 'submit_confirmed', upstreamId: newId(), working: true } as const;
      const confirmedTask = await moved(next.task, confirmed);
      if (confirmedTask && running.has(task.id)) running.set(task.id, confirmedTask);
    }

    function enqueue(task: Task, front = false): void {
      const waiter: Waiter = { task, admitted: () => void begin(task) };
      admission.enqueue(waiter, front);
    }

    /** Ends tasks that run. */
    async function end(tasks: number, event: Event): Promise<Task[]> {
      const going = [...running.values()].filter(({ phase }) => phase === 'running').slice(0, tasks);
      for (const { id } of going) running.delete(id);
      const ended = await Promise.all(going.map((task) => moved(task, event)));
      return ended.filter((task) => task !== undefined);
    }

    return {
      get name() {
        return name;
      },
      state,
      store,
      get running() {
        return [...running.values()];
      },
      get begun() {
        return begunAt.length;
      },
      begunAt,
      get refused() {
        return refused;
      },
      get waiting() {
        return admission.demand(state).reduce((sum, { waiting }) => sum + waiting, 0);
      },
      warning: sharing.warning,
      async submit(tasks) {
        const now = clock.now();
        const made = Array.from({ length: tasks }, () =>
          aTask({ id: newTaskId(), owner: name, createdAt: now, deadlineAt: now + 86_400_000 }),
        );
        await Promise.all(made.map((task) => opened.accept(anAcceptance(task))));
        for (const task of made) enqueue(task);
        await settle();
      },
      async finish(tasks) {
        await end(tasks, { type: 'upstream_succeeded', result: { ref: 'there' } });
      },
      expire: (tasks) =>
        end(tasks, { type: 'failed', error: taskError('expired', 'expired'), outcome: 'expired' }),
      async adopt() {
        for (const task of await opened.adopt(name, 1000)) {
          if (task.phase === 'accepted') enqueue(task);
          else if (task.phase === 'submitting' || task.phase === 'running') {
            state.limiter.adopt(task.id);
            const confirmed = { type: 'submit_confirmed', upstreamId: newId(), working: true } as const;
            const driven = task.phase === 'submitting' ? await moved(task, confirmed) : task;
            if (driven) running.set(task.id, driven);
          }
        }
      },
      callAlways(kind, rate) {
        const permits: Permits = kind && rate ? sharing.permitsOf(ACCOUNT)(kind, rate, () => 1000) : polls;
        const calls: number[] = [];
        const call = () => {
          for (let ms = permits.readyIn(); ; ms = permits.readyIn()) {
            if (ms > 0) {
              if (ms < Number.POSITIVE_INFINITY) own.after(ms, call);
              return;
            }
            permits.take();
            calls.push(timers.now() - START_OF_TIME);
          }
        };
        permits.onReady(call);
        call();
        return calls;
      },
      async lose() {
        held = false;
        listeners.delete(name);
        for (const listener of leaseListeners) listener('lost');
        running.clear();
        await die(name);
      },
      async rejoin() {
        name = await join();
        held = true;
        listeners.set(name, ears);
        for (const listener of leaseListeners) listener('joined');
        await settle();
      },
    };
  }

  return {
    url,
    pool,
    timers,
    statements,
    logged,
    deafen() {
      deaf = true;
    },
    fail(fails) {
      failing = fails;
    },
    setDatabaseClock(byMs) {
      jumped += byMs;
    },
    node: openNode,
    async oldNode() {
      const name = await join({ old: true });
      return {
        async submit(tasks) {
          for (let n = 0; n < tasks; n++) {
            const { id } = aTask();
            await pool.query(
              `insert into tasks (id, project_id, key_id, model, request, phase, version, owner, attempt, created_at, deadline_at, price)
               values ($1, 'p', 'k', 'm', '{}', 'running', 1, $2, 1, 0, 0, '{}')`,
              [id, name],
            );
            await pool.query(
              `insert into attempts (task_id, number, account_id, idempotency_key, upstream_model, intended_at, upstream_id)
               values ($1, 1, $2, $1, 'm', 0, $1)`,
              [id, ACCOUNT],
            );
          }
        },
        end: () => die(name),
      };
    },
    settle,
    async advance(ms, each, stepMs = 50) {
      const until = timers.now() + ms;
      while (timers.now() < until) {
        const next = timers.nextAt() ?? until;
        const to = Math.min(until, timers.now() + stepMs, Math.max(next, timers.now() + 1));
        // The database's time moves first: its answers are never from the past.
        await pool.query('update test_clock set now = $1', [to + AHEAD_MS + jumped]);
        timers.moveTo(to);
        await settle();
        await each?.();
      }
    },
    async counted() {
      const { rows } = await pool.query(
        `select (select count(*)::int from attempts a join tasks t on t.id = a.task_id
             where (t.attempt = a.number and t.phase in ('submitting', 'running')) or a.place_until is not null) as rows,
           (select in_flight from account_places where account_id = $1) as counter`,
        [ACCOUNT],
      );
      return rows[0];
    },
  };
}
