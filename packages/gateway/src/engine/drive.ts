import type { AccountState } from '../limits/account.ts';
import type { Phase, Task } from '../tasks/task.ts';
import type { Moment } from '../time/clock.ts';
import { type ActiveTask, sleep } from './activeTask.ts';
import type { ActiveTasks } from './activeTasks.ts';
import { liveOf, type Progress } from './events/progress.ts';
import { jobOf } from './job.ts';
import type { EngineParts } from './parts.ts';
import type { Learning } from './tracking/learning.ts';

/**
 * The token of an intent that this process has just stored. Only whoever holds it may send the submission: in `submitting` without it,
 * the job is searched for and never sent.
 */
export interface Intent {
  /** The task with the attempt that was intended. */
  readonly task: Task;
  readonly account: AccountState;
  /** When the intent was about to be stored. */
  readonly madeAt: Moment;
}

/**
 * What a stage did in one pass: stored an intent, whose token goes to the next stage; waited for something that asks for another look at
 * the task; or applied a transition, for which it says nothing.
 */
export type StageOutcome = Intent | 'waited' | undefined;

/**
 * Does the work of one phase: applies one transition and returns. It begins by looking at the task, and may be called again in the same
 * phase at any time. While it waits, it can be woken (`ActiveTask.wake`), and then returns `waited`.
 */
export type Stage = (active: ActiveTask, intent: Intent | undefined) => Promise<StageOutcome>;

export type Stages = Readonly<Record<'accepted' | 'submitting' | 'running' | 'storing', Stage>>;

/** Drives tasks from the phase that is stored to their end. The phase is the program counter. */
export interface Driver {
  /** Drives a task that this node has just accepted. */
  start(task: Task): void;
  /** Drives a task where its last driver left it. The stored attempt is sufficient, even if the model is no longer in the catalogue. */
  resume(task: Task): void;
  /** Whether a task can be transferred to another node now: not during a submission or a download, unless `allowTransfers` was called. */
  isTransferable(active: ActiveTask): boolean;
  /** Stops driving a task. Its next driver resumes it from what is stored. */
  release(active: ActiveTask): void;
  /** Begins no stage any more and ends all waits. Tasks stay as they are stored. Calls that must not be interrupted go on. */
  stop(): void;
  /** Resolves when no stage is at work after `stop`. */
  idle(): Promise<void>;
  /** Makes all tasks transferable: no work is in progress any more that would be lost. */
  allowTransfers(): void;
}

interface DriverParts
  extends Pick<
    EngineParts,
    'upstreamRequest' | 'openInput' | 'openFormer' | 'linkTo' | 'feed' | 'timers' | 'log'
  > {
  readonly activeTasks: ActiveTasks;
  readonly progress: Pick<Progress, 'transferred'>;
  readonly accountStates: ReadonlyMap<string, AccountState>;
  readonly stages: Stages;
  readonly learning: Pick<Learning, 'current'>;
  /** Aborted by `stop`. */
  readonly stopping: AbortController;
}

/** Delay after a pass that moved nothing, doubling up to the maximum. Milliseconds. */
const AGAIN_MS = 1000;
const MAX_AGAIN_MS = 60_000;

export function createDriver(parts: DriverParts): Driver {
  const { activeTasks, accountStates, stages, stopping, feed, timers, log } = parts;
  /** Tasks whose loops run. */
  let atWork = 0;
  const whenIdle: (() => void)[] = [];
  let allTransferable = false;

  /** Never rejects. One asynchronous function holds a waiting task, beside its stage: each more would cost 100,000 tasks tens of megabytes. */
  async function drive(active: ActiveTask): Promise<void> {
    if (active.resumedIn) await prepare(active);
    let intent: Intent | undefined;
    let emptyPasses = 0;
    while (isDriven(active) || isIntended(active, intent)) {
      const { phase, version } = active.task;
      let outcome: StageOutcome;
      try {
        outcome = await stageOf(phase)(active, intent);
      } catch (error) {
        failed(active, error);
      }
      if (active.task.phase !== phase) active.resumedIn = undefined;
      intent = typeof outcome === 'object' ? outcome : undefined;
      if (outcome === 'waited' || active.task.version !== version) emptyPasses = 0;
      else if (isDriven(active)) await backOff(active, AGAIN_MS * 2 ** Math.min(emptyPasses++, 10));
    }
    atWork -= 1;
    if (atWork === 0) for (const resolve of whenIdle.splice(0)) resolve();
  }

  const isDriven = (active: ActiveTask): boolean => !stopping.signal.aborted && activeTasks.drives(active);

  /** A stored intent is sent even if the node stops: its next driver would have to search for a job that was never submitted. */
  const isIntended = ({ task }: ActiveTask, intent: Intent | undefined): boolean =>
    intent !== undefined && task.phase === 'submitting';

  function stageOf(phase: Phase): Stage {
    if (phase === 'succeeded' || phase === 'failed')
      throw new Error(`a task is driven although it is ${phase}`);
    return stages[phase];
  }

  /** After a pass that moved nothing: this node's view of the task may be wrong, or something that the stage needs is broken. */
  async function backOff(active: ActiveTask, ms: number): Promise<void> {
    await sleep(active, timers, Math.min(MAX_AGAIN_MS, ms));
    if (isDriven(active)) await activeTasks.refresh(active).catch((error) => failed(active, error));
  }

  function failed(active: ActiveTask, err: unknown): void {
    log.error({ event: 'task.driver_failed', task: active.task.id, err }, 'driving a task failed; retrying');
  }

  /** What another driver knew of a job is stored in part: how long jobs take, from which its next poll follows, and how to run it. */
  async function prepare(active: ActiveTask): Promise<void> {
    await openFormer(active);
    if (active.resumedIn === 'running') await parts.learning.current();
    await resumeJob(active);
  }

  /** A job is finished at its server, even if that is not configured any more, or only on other nodes so far. */
  async function openFormer(active: ActiveTask): Promise<void> {
    const { accountId = '', server } = active.task.attempt ?? {};
    if (active.task.phase === 'accepted' || server === undefined || accountStates.has(accountId)) return;
    try {
      await parts.openFormer?.(accountId, server);
    } catch (err) {
      log.error({ event: 'account.open_failed', account: accountId, err }, 'cannot open a member of a fleet');
    }
    takePlace(active);
  }

  /** The job of the task occupies a place of its account. */
  function takePlace(active: ActiveTask): void {
    const { phase, attempt, id } = active.task;
    const account = accountStates.get(attempt?.accountId ?? '');
    if (!account || (phase !== 'submitting' && phase !== 'running')) return;
    account.limiter.adopt(id);
    active.place = account;
  }

  /** Makes a job that runs inside a gateway known on this node. If it fails, the next poll reports the job as missing. */
  async function resumeJob({ task }: ActiveTask): Promise<void> {
    const { provider } = accountStates.get(task.attempt?.accountId ?? '')?.account ?? {};
    if (!provider?.resume || !task.attempt || (task.phase !== 'running' && task.phase !== 'storing')) return;
    try {
      await provider.resume(jobOf(task, task.attempt, parts));
    } catch (error) {
      log.warn(
        { event: 'upstream.adopt_failed', task: task.id, err: error },
        'cannot resume a job that another node started',
      );
    }
  }

  function begin(active: ActiveTask): void {
    atWork += 1;
    void drive(active);
  }

  return {
    start: (task) => begin(activeTasks.add(task)),
    resume(task) {
      const active = activeTasks.add(task, { resumed: true });
      takePlace(active);
      begin(active);
    },
    isTransferable({ task, moving, downloading }) {
      if (moving) return false;
      if (allTransferable) return true;
      const between =
        task.phase === 'accepted' ||
        (task.phase === 'running' && task.cancelRequestedAt === undefined) ||
        (task.phase === 'storing' && !downloading);
      // A job that runs inside this process would have to start again on another node.
      return between && !accountStates.get(task.attempt?.accountId ?? '')?.account.local;
    },
    release(active) {
      activeTasks.release(active);
      parts.progress.transferred(active.task.id, liveOf(active));
      // The next driver may change the task before this node receives a message.
      feed.invalidate(active.task.id);
    },
    stop() {
      stopping.abort();
      for (const active of activeTasks) active.wake?.();
    },
    idle: () =>
      new Promise((resolve) => {
        if (atWork === 0) resolve();
        else whenIdle.push(resolve);
      }),
    allowTransfers() {
      allTransferable = true;
    },
  };
}
