import { setImmediate as turn } from 'node:timers/promises';
import {
  type AccountState,
  type ActiveTask,
  type Answer,
  createAccountState,
  createEstimator,
  createLocalLimits,
  createPoller,
  createTimers,
  createTracker,
  type EngineParts,
  type Handle,
  leaveUpstream,
  momentAt,
  newActiveTask,
  newTaskId,
  type Provider,
  type Task,
} from '@onetake/gateway';
import { stream } from '../../chaos/shared/random.ts';
import { heap } from '../cluster/node.ts';
import { aNewTask } from '../cluster/populate.ts';
import { jobUnderWay, newDuration, TYPICAL } from '../cluster/steadyState.ts';
import { cpuTimeOf } from '../shared/cpu.ts';

/** What a process needs that holds so many tasks. */
export interface InFlight {
  readonly bytesPerTask: number;
  /** Of this process, for a second of virtual time. Microseconds. */
  readonly cpuPerSecond: number;
  readonly answersPerSecond: number;
  readonly requestsPerSecond: number;
  readonly endsPerSecond: number;
  /** From the end of a job until the node knows. Milliseconds, the mean. */
  readonly delayMs: number;
}

/** As Ark documents: docs/providers.md. */
const LIMITS = {
  inFlight: 10_000,
  submitsPerMinute: 600,
  pollsPerSecond: 20,
  pollBatch: 180,
  minPollIntervalMs: 1000,
};
const CALL_MS = 30;
/** So long that no call is aborted: its real time says nothing here. */
const CALL_TIMEOUT_MS = 3_600_000;
/** Every task has been polled at least once by then, and the prices of polls have settled. Seconds. */
const SETTLE_SECONDS = 15;
const DAY_MS = 86_400_000;
const BEGAN = Date.UTC(2026, 0, 1);

/**
 * Holds so many tasks at accounts that are full, with the tracker, the poller and the timers of the engine, in virtual time: it moves on to
 * the next timer as soon as everything is done. For each job that ends another one begins. Nothing is stored.
 */
export async function holdInFlight(count: number, seconds: number, seed: string): Promise<InFlight> {
  const time = createVirtualTime();
  const before = await heap();
  const node = createNode(count, time, stream(seed));
  await time.passTo(SETTLE_SECONDS * 1000, node.work);
  const bytesPerTask = ((await heap()) - before) / count;

  const counted = node.counts();
  const cpu = await cpuTimeOf(process.pid);
  await time.passTo((SETTLE_SECONDS + seconds) * 1000, node.work);
  const used = (await cpuTimeOf(process.pid)).all - cpu.all;
  const now = node.counts();
  const perSecond = (name: keyof typeof now) => (now[name] - counted[name]) / seconds;
  return {
    bytesPerTask,
    cpuPerSecond: used / seconds,
    answersPerSecond: perSecond('answers'),
    requestsPerSecond: perSecond('requests'),
    endsPerSecond: perSecond('ends'),
    delayMs: (now.delays - counted.delays) / (now.ends - counted.ends),
  };
}

type VirtualTime = ReturnType<typeof createVirtualTime>;

/** The wheel of the engine, whose only real timer waits for no time. */
function createVirtualTime() {
  let now = 0;
  let wake: { readonly at: number; readonly run: () => void } | undefined;
  const setReal = globalThis.setTimeout;
  const clearReal = globalThis.clearTimeout;
  /** Lets a call of the wheel set its timer here. */
  function virtually<Result>(work: () => Result): Result {
    globalThis.setTimeout = ((run: () => void, ms: number) => {
      wake = { at: now + ms, run };
    }) as never;
    globalThis.clearTimeout = () => {
      wake = undefined;
    };
    try {
      return work();
    } finally {
      globalThis.setTimeout = setReal;
      globalThis.clearTimeout = clearReal;
    }
  }
  const wheel = createTimers({ monotonic: () => momentAt(now) });
  return {
    wheel: { ...wheel, after: (ms: number, fire: () => void) => virtually(() => wheel.after(ms, fire)) },
    now: () => now,
    /** `work` counts what was done: time stands still while there is more. */
    async passTo(end: number, work: () => number): Promise<void> {
      while (now < end) {
        if (!wake) throw new Error('nothing is going to happen any more');
        const { at, run } = wake;
        now = Math.max(now, at);
        wake = undefined;
        virtually(run);
        let done: number;
        do {
          done = work();
          // The answers of a batch are handled in several turns.
          await turn();
          await turn();
        } while (work() !== done);
      }
    },
  };
}

function createNode(count: number, time: VirtualTime, random: () => number) {
  const timers = time.wheel;
  const clock = { now: () => BEGAN + time.now() };
  const ends = new Float64Array(count);
  const counts = { answers: 0, requests: 0, ends: 0, delays: 0 };
  const activeTasks = new Set<ActiveTask>();
  const accounts = openAccounts(count, {
    timers,
    wall: clock,
    random,
    requested: () => {
      counts.requests += 1;
    },
    answer: ({ upstreamId }) =>
      clock.now() >= (ends[Number(upstreamId)] ?? 0)
        ? { state: 'succeeded', result: { ref: upstreamId } }
        : { state: 'in_progress' },
  });
  const tracker = createTracker({
    typicalTime: () => TYPICAL,
    clock,
    timers,
    estimator: createEstimator(),
    used: () => undefined,
    learnt: () => undefined,
    planAgain: (accountId) => poller.planAgain(accountId),
  });
  const poller = createPoller({
    accountStates: accounts,
    activeTasks,
    tracker,
    timers,
    log: SILENT,
    settings: { callTimeoutMs: CALL_TIMEOUT_MS } as never,
    stopping: new AbortController().signal,
  });

  /** A running task, in the memory that a task of a gateway takes. */
  function begin(place: number, begunAt: number, endsAt: number): void {
    ends[place] = endsAt;
    const accountId = `account-${Math.floor(place / LIMITS.inFlight)}`;
    const { projectId, keyId, request, price } = aNewTask(place);
    const task: Task = {
      id: newTaskId(),
      projectId,
      keyId,
      request,
      phase: 'running',
      version: 3,
      owner: 'node-1',
      createdAt: begunAt,
      deadlineAt: begunAt + DAY_MS,
      price,
      attempt: {
        number: 1,
        accountId,
        idempotencyKey: newTaskId().slice(-32),
        upstreamModel: 'bench',
        intendedAt: begunAt,
        submittedAt: begunAt,
        upstreamId: String(place),
      },
    };
    const state = accounts.get(accountId);
    if (!state) throw new Error(`there is no ${accountId}`);
    const active = newActiveTask(task, momentAt(time.now() + DAY_MS));
    state.limiter.adopt(task.id);
    active.place = state;
    activeTasks.add(active);
    void drive(active, state, place);
  }

  /** As the stage that polls does: engine/stages/poll.ts. */
  async function drive(active: ActiveTask, state: AccountState, place: number): Promise<void> {
    for (;;) {
      const plan = tracker.plan(active, state);
      active.queryAgainAt = clock.now() + plan.queryAgainInMs;
      active.expectedAt = clock.now() + plan.remainingMs;
      active.dueAt ??= momentAt(time.now() + plan.pollInMs);
      const polled = await poller.next(active);
      if (polled === undefined || typeof polled !== 'object' || !('state' in polled)) continue;
      if (polled.state === 'missing') continue;
      counts.answers += 1;
      tracker.answered(active, state, polled, {});
      if (polled.state !== 'succeeded') continue;
      counts.ends += 1;
      counts.delays += clock.now() - (ends[place] ?? 0);
      leaveUpstream(active);
      activeTasks.delete(active);
      begin(place, clock.now(), clock.now() + newDuration(random));
      return;
    }
  }

  for (let place = 0; place < count; place++) {
    const { age, left } = jobUnderWay(random, TYPICAL);
    begin(place, BEGAN - age, BEGAN + left);
  }
  return { counts: () => ({ ...counts }), work: () => counts.answers + counts.requests };
}

/** Full accounts whose upstream is in this process. `answer` says what has become of a job. */
function openAccounts(
  count: number,
  parts: {
    readonly timers: EngineParts['timers'];
    readonly wall: { now(): number };
    readonly random: () => number;
    readonly requested: () => void;
    readonly answer: (handle: Handle) => Answer;
  },
): ReadonlyMap<string, AccountState> {
  const { timers, wall, random, answer } = parts;
  const call = () => {
    parts.requested();
    return new Promise<void>((resolve) => void timers.after(CALL_MS, resolve));
  };
  const provider: Provider = {
    refusedOptions: () => [],
    submit: () => Promise.reject(new Error('nothing is submitted here')),
    open: () => Promise.reject(new Error('nothing is downloaded here')),
    async poll(handle) {
      await call();
      return answer(handle);
    },
    async pollMany(handles) {
      await call();
      return new Map(handles.map((handle) => [handle.upstreamId, answer(handle)]));
    },
    close: async () => undefined,
  };
  const limits = createLocalLimits({
    store: {
      commit: async () => true,
      lingeringPlaces: async () => [],
      troubles: async () => [],
      reportTrouble: async () => undefined,
    },
    clock: wall,
    timers,
    log: SILENT,
  });
  const ids = Array.from({ length: Math.ceil(count / LIMITS.inFlight) }, (_, index) => `account-${index}`);
  return new Map(
    ids.map((id) => {
      const account = { id, providerId: 'bench', official: false, provider, limits: LIMITS };
      return [id, createAccountState({ account, limits, demand: () => [], clock: timers, wall, random })];
    }),
  );
}

const SILENT = { error() {}, warn() {}, info() {}, debug() {} };
