import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import type { ActiveTask } from '../../../src/engine/activeTask.ts';
import { createActiveTasks } from '../../../src/engine/activeTasks.ts';
import { createDriver, type Intent, type StageOutcome, type Stages } from '../../../src/engine/drive.ts';
import { createFeed } from '../../../src/engine/events/feed.ts';
import { createAccountState } from '../../../src/limits/account.ts';
import { localAccount } from '../../../src/limits/local.ts';
import type { Account } from '../../../src/providers/account.ts';
import type { Provider } from '../../../src/providers/provider.ts';
import { openSqliteStore } from '../../../src/store/sqlite/store.ts';
import type { Store } from '../../../src/store/store.ts';
import { newId } from '../../../src/tasks/ids.ts';
import type { Event } from '../../../src/tasks/lifecycle.ts';
import type { Phase, Task } from '../../../src/tasks/task.ts';
import { anAcceptance, aRequest, aTask } from '../../support/builders.ts';
import { anAccount } from '../../support/engineParts.ts';
import { createManualTimers } from '../../support/manualTimers.ts';
import { asNextDriver } from '../../support/nodes/oneOfSeveral.ts';
import { createRecordingProvider } from '../../support/recordingProvider.ts';
import { createRecordingUpstream } from '../../support/servers/recordingUpstream.ts';
import { tempFolder } from '../../support/tempFolder.ts';

export const intended = (accountId = 'one'): Event => ({
  type: 'submit_intended',
  accountId,
  idempotencyKey: newId(),
  upstreamModel: 'm',
});
export const INTENDED = intended();
export const CONFIRMED: Event = { type: 'submit_confirmed', upstreamId: 'one-1', working: false };
export const REFUSED: Event = { type: 'submit_refused' };
export const FINISHED: Event = {
  type: 'upstream_succeeded',
  result: { ref: 'https://example.com/video.mp4' },
};
export const FAILED: Event = {
  type: 'failed',
  outcome: 'failed',
  error: { code: 502, reason: 'upstream_failed', message: 'No.' },
};
export const CANCEL_REQUESTED: Event = { type: 'cancel_requested' };

/** The events that lead a new task into a phase. */
export const LEADING_TO = {
  accepted: [],
  submitting: [INTENDED],
  running: [INTENDED, CONFIRMED],
  storing: [INTENDED, CONFIRMED, FINISHED],
} as const satisfies Partial<Record<Phase, readonly Event[]>>;
export type DrivenPhase = keyof typeof LEADING_TO;
export const DRIVEN: readonly DrivenPhase[] = ['accepted', 'submitting', 'running', 'storing'];

/** One call of a stage, which ends when the test says so. */
export interface Pass {
  readonly phase: DrivenPhase;
  readonly active: ActiveTask;
  /** The task as it was when the pass began. */
  readonly task: Task;
  readonly intent: Intent | undefined;
  /** Whether this node drove the task when the pass began, and no other pass of this loop was in progress. */
  readonly isDue: boolean;
  isOver: boolean;
  end(outcome?: StageOutcome): void;
  fail(error: Error): void;
}

interface Given {
  readonly store?: (store: Store) => Partial<Store>;
  readonly provider?: Partial<Provider>;
  readonly account?: Partial<Account>;
}

/** The driver over a real store, with stages whose passes the test ends. */
export async function driving({ store: override = () => ({}), provider = {}, account = {} }: Given = {}) {
  const store = await openSqliteStore({ dir: await tempFolder(), exclusive: true });
  onTestFinished(() => store.close());
  const timers = createManualTimers();
  const feed = createFeed();
  const logged: Record<string, unknown>[] = [];
  const log = pino({ level: 'warn' }, { write: (line) => logged.push(JSON.parse(line)) });
  const activeTasks = createActiveTasks({
    store: { ...store, ...override(store) },
    feed,
    clock: timers,
    timers,
    log,
  });
  const recording = createRecordingProvider({ upstream: createRecordingUpstream({}) });
  const one = createAccountState({
    account: { ...anAccount({ ...recording, ...provider }), ...account },
    limits: {
      open: (opened) => localAccount(opened, { store, clock: timers, timers, report: () => undefined }),
    },
    demand: () => [],
    clock: timers,
  });

  const passes: Pass[] = [];
  let begun = Promise.withResolvers<void>();
  const stage =
    (phase: DrivenPhase) =>
    (active: ActiveTask, intent: Intent | undefined): Promise<StageOutcome> => {
      const ended = Promise.withResolvers<StageOutcome>();
      const { task } = active;
      const isAlone = passes.every((other) => other.active !== active || other.isOver);
      const pass: Pass = {
        phase,
        active,
        task,
        intent,
        isDue: isAlone && activeTasks.drives(active) && task.phase === phase,
        isOver: false,
        end(outcome) {
          pass.isOver = true;
          ended.resolve(outcome);
        },
        fail(error) {
          pass.isOver = true;
          ended.reject(error);
        },
      };
      passes.push(pass);
      begun.resolve();
      begun = Promise.withResolvers();
      return ended.promise;
    };
  const stages: Stages = {
    accepted: stage('accepted'),
    submitting: stage('submitting'),
    running: stage('running'),
    storing: stage('storing'),
  };
  const transferred: unknown[] = [];
  const invalidated: (string | undefined)[] = [];
  feed.onInvalidate((id) => invalidated.push(id));
  const stopping = new AbortController();
  const driver = createDriver({
    activeTasks,
    accountStates: new Map([['one', one]]),
    stages,
    stopping,
    feed,
    timers,
    log,
    learning: { current: async () => undefined },
    progress: { transferred: (...given) => transferred.push(given) },
    upstreamRequest: () => aRequest({ prompt: 'as the upstream gets it' }),
    openInput: async () => {
      throw new Error('no inputs');
    },
  });

  /** The pass with this number, once it has begun. */
  async function passAt(index: number): Promise<Pass> {
    for (;;) {
      const found = passes[index];
      if (found) return found;
      await begun.promise;
    }
  }
  /** The number of passes once nothing happens any more. */
  async function passesSoFar(): Promise<number> {
    for (let seen = -1, quiet = 0; quiet < 10; quiet++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (passes.length !== seen) quiet = 0;
      seen = passes.length;
    }
    return passes.length;
  }
  async function stored(...events: readonly Event[]): Promise<Task> {
    const task = aTask();
    await store.accept(anAcceptance(task));
    await asNextDriver({ store }, task.id, ...events);
    return (await store.task(task.id)) ?? task;
  }

  return {
    store,
    timers,
    feed,
    logged,
    activeTasks,
    account: one,
    driver,
    stopping,
    passes,
    transferred,
    invalidated,
    passAt,
    passesSoFar,
    stored,
    /** A task that is driven, and its first pass. */
    async started(): Promise<Pass> {
      driver.start(await stored());
      return passAt(0);
    },
    async resumed(phase: DrivenPhase): Promise<Pass> {
      driver.resume(await stored(...LEADING_TO[phase]));
      return passAt(0);
    },
    /** Ends a pass as a stage does that has stored the intent. */
    async intend(pass: Pass): Promise<Intent> {
      const task = await activeTasks.apply(pass.active, intended());
      if (!task) throw new Error('no intent');
      const intent = { task, account: one, madeAt: timers.monotonic() };
      pass.end(intent);
      return intent;
    },
    /** Ends a pass as a stage does that has written a transition. */
    async move(pass: Pass, event: Event): Promise<void> {
      if (!(await activeTasks.apply(pass.active, event))) throw new Error(`no ${event.type}`);
      pass.end();
    },
    advance(ms: number): void {
      timers.moveTo(timers.trueTime() + ms);
    },
  };
}
