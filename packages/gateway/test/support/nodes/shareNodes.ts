import type { Pool } from 'pg';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import type { Cluster, LeaseEvent, Message } from '../../../src/cluster/cluster.ts';
import { type AccountState, createAccountState } from '../../../src/limits/account.ts';
import { type Admission, createAdmission } from '../../../src/limits/admission.ts';
import { createAccountShares, type SharedAccounts } from '../../../src/limits/shared.ts';
import { createTokenBucket } from '../../../src/limits/tokenBucket.ts';
import type { Account, AccountLimits } from '../../../src/providers/account.ts';
import { shareAccounts } from '../../../src/store/postgres/accountShares.ts';
import type { AccountGrant, AccountReport } from '../../../src/store/store.ts';
import { later } from '../../../src/time/clock.ts';
import type { Timers } from '../../../src/time/timers.ts';
import { aTask } from '../builders.ts';
import { createManualTimers, type ManualTimers } from '../manualTimers.ts';
import { createRecordingProvider } from '../recordingProvider.ts';
import { createRecordingUpstream } from '../servers/recordingUpstream.ts';
import { createSessions } from './sessions.ts';

/** A node that shares an account: admission, limits and reports are real, and its tasks only take time. */
export interface ShareNode {
  readonly name: string;
  readonly state: AccountState;
  /** By its own clock, which differs from all others. */
  readonly timers: Timers;
  readonly shares: SharedAccounts;
  /** The number of tasks begun. */
  readonly begun: number;
  /** Polls that the account's rate allowed. */
  readonly asked: number;
  /** From now on it polls whenever it may. */
  askAlways(): void;
  submit(tasks: number): void;
  /** Ends this many of the tasks in flight. */
  finish(tasks: number): void;
  /** Adopts tasks that are already in flight. */
  takeOver(tasks: number): void;
  /** Its lease ends: the node knows it at once, or only the other nodes do. */
  lose(): Promise<void>;
  /** Its lease is uncertain, without an event yet. */
  freeze(): void;
  /** It rejoins, under a new name. */
  rejoin(): Promise<void>;
}

export interface ShareNodes {
  readonly pool: Pool;
  readonly timers: ManualTimers;
  readonly messages: Message[];
  /** The number of reports. */
  readonly reports: number;
  /** Messages are lost from now on. */
  deafen(): void;
  /** The store fails from now on, or works again. */
  fail(fails: boolean): void;
  /** The node gives up its next report, which arrives when the returned function is called; that resolves with the grant. */
  detain(): () => Promise<readonly AccountGrant[]>;
  node(): Promise<ShareNode>;
  /** Advances time; `each` is called after every step of 50 ms, when all reports have been answered. */
  advance(ms: number, each?: () => void): Promise<void>;
  settle(): Promise<void>;
}

const STEP_MS = 50;
/** How far the database's clock is ahead of the nodes' clocks. */
const AHEAD_MS = 123_456;
/** How far each node's clock is ahead of the previous node's. */
const SKEW_MS = 7_654;

const skewed = (timers: Timers, ms: number): Timers => ({
  monotonic: () => later(timers.monotonic(), ms),
  after: (delay, fire) => timers.after(delay, fire),
  close: () => timers.close(),
});

export async function createShareNodes(limits: Partial<AccountLimits> = {}): Promise<ShareNodes> {
  const { pool, join, die } = await createSessions();
  const timers = createManualTimers();
  const messages: Message[] = [];
  const listeners = new Map<string, Set<(message: Message, from: string) => void>>();
  const askers = new Set<() => void>();
  let underWay = 0;
  let reports = 0;
  let deaf = false;
  let failing = false;
  let nodes = 0;
  let detained: ((arrive: () => Promise<readonly AccountGrant[]>) => void) | undefined;

  async function inTransaction(node: string, given: readonly AccountReport[]): Promise<AccountGrant[]> {
    const client = await pool.connect();
    try {
      await client.query('begin');
      const grants = await shareAccounts(client, node, given, { adoptedMs: 0 });
      await client.query('commit');
      // The test controls time, also for the database.
      return grants.map((grant) => ({ ...grant, at: timers.now() + AHEAD_MS }));
    } finally {
      client.release();
    }
  }

  const store: Parameters<typeof createAccountShares>[0]['store'] = {
    async shareAccounts(node, given) {
      underWay += 1;
      reports += 1;
      try {
        if (failing) throw new Error('the store is down');
        if (detained) {
          detained(() => inTransaction(node, given));
          detained = undefined;
          throw new Error('no answer in time');
        }
        return await inTransaction(node, given);
      } finally {
        underWay -= 1;
      }
    },
  };

  async function settle(): Promise<void> {
    for (let quiet = 0; quiet < 4; quiet++) {
      await new Promise(setImmediate);
      if (underWay > 0) quiet = -1;
    }
  }

  async function openNode(): Promise<ShareNode> {
    let name = await join();
    nodes += 1;
    const own = skewed(timers, nodes * SKEW_MS);
    let held = true;
    const sessionListeners = new Set<(event: LeaseEvent) => void>();
    const heard = new Set<(message: Message, from: string) => void>();
    listeners.set(name, heard);
    const cluster: Cluster = {
      shared: true,
      get node() {
        return name;
      },
      hasLease: () => held,
      members: async () => [...listeners.keys()],
      broadcast(message) {
        messages.push(message);
        if (deaf) return;
        for (const [to, others] of listeners) {
          if (to !== name) for (const listener of others) listener(message, name);
        }
      },
      onMessage(listener) {
        heard.add(listener);
        return () => heard.delete(listener);
      },
      onLease(listener) {
        sessionListeners.add(listener);
        return () => sessionListeners.delete(listener);
      },
      close: async () => undefined,
    };
    const account: Account = {
      id: 'one',
      providerId: 'test',
      retiresModels: false,
      provider: createRecordingProvider({ upstream: createRecordingUpstream({}) }),
      limits: {
        inFlight: 20,
        startsPerMinute: 60_000,
        asksPerSecond: 20,
        askBatch: 1,
        minAskIntervalMs: 1000,
        ...limits,
      },
    };
    const shares = createAccountShares({ store, cluster, timers: own, log: pino({ level: 'silent' }) });
    let begun = 0;
    let asked = 0;
    const admitted = () => {
      begun += 1;
      state.worked();
    };
    const state: AccountState = createAccountState(
      account,
      own,
      shares.of(account, () => ({ inUse: state.inUse, waiting: admission.waiting(state) })),
    );
    const admission: Admission = createAdmission({
      accounts: [state],
      timers: own,
      mayUse: () => true,
    });
    const bucket = createTokenBucket(account.limits.asksPerSecond, own, { share: state.share.rate });
    onTestFinished(() => shares.stop());
    await shares.start();

    return {
      get name() {
        return name;
      },
      state,
      timers: own,
      shares,
      get begun() {
        return begun;
      },
      get asked() {
        return asked;
      },
      askAlways() {
        askers.add(() => {
          while (bucket.readyIn() === 0) {
            bucket.take();
            asked += 1;
          }
        });
      },
      submit(tasks) {
        for (let n = 0; n < tasks; n++) admission.enqueue({ task: aTask(), admitted });
      },
      finish(tasks) {
        for (let n = Math.min(tasks, state.inUse); n > 0; n--) state.release();
      },
      takeOver(tasks) {
        for (let n = 0; n < tasks; n++) state.occupy();
      },
      async lose() {
        held = false;
        listeners.delete(name);
        for (const listener of sessionListeners) listener('lost');
        await die(name);
      },
      freeze() {
        held = false;
      },
      async rejoin() {
        name = await join();
        held = true;
        listeners.set(name, heard);
        for (const listener of sessionListeners) listener('joined');
        await settle();
      },
    };
  }

  return {
    pool,
    timers,
    messages,
    get reports() {
      return reports;
    },
    deafen() {
      deaf = true;
    },
    fail(fails) {
      failing = fails;
    },
    detain() {
      const arrival = new Promise<() => Promise<readonly AccountGrant[]>>((resolve) => {
        detained = resolve;
      });
      return async () => (await arrival)();
    },
    node: openNode,
    settle,
    async advance(ms, each) {
      const until = timers.now() + ms;
      while (timers.now() < until) {
        timers.moveTo(Math.min(until, timers.now() + STEP_MS));
        for (const ask of askers) ask();
        await settle();
        each?.();
      }
    },
  };
}
