import { pino } from 'pino';
import { createLearning } from '../../../src/engine/tracking/learning.ts';
import type { Store } from '../../../src/store/store.ts';
import { newId } from '../../../src/tasks/ids.ts';
import { type Event, move } from '../../../src/tasks/lifecycle.ts';
import type { Task } from '../../../src/tasks/task.ts';
import type { Prior } from '../../../src/tracking/prior.ts';
import { anAcceptance, aRequest, aTask } from '../builders.ts';
import { createManualCluster } from '../manualCluster.ts';
import { createManualTimers } from '../manualTimers.ts';

/** A job of the account `one` at an upstream. */
interface RunningJob {
  readonly job: string;
  /** Since it was submitted. */
  readonly ageMs: number;
  readonly model?: string;
}

/** Stores running tasks of a node, as it has left them behind. */
export async function leaveBehind(
  store: Store,
  now: number,
  jobs: readonly RunningJob[],
  owner = 'node-gone',
): Promise<Task[]> {
  return Promise.all(
    jobs.map(async ({ job, ageMs, model = 'test-model' }) => {
      const at = now - ageMs;
      let task = aTask({ owner, createdAt: at, deadlineAt: at + 86_400_000, request: aRequest({ model }) });
      await store.accept(anAcceptance(task));
      const events: Event[] = [
        {
          type: 'submit_intended',
          accountId: 'one',
          idempotencyKey: newId(),
          upstreamModel: 'upstream-model',
        },
        { type: 'submit_confirmed', upstreamId: job, working: true },
      ];
      for (const event of events) {
        const next = move(task, event, at);
        if (!next || !(await store.commit(next))) throw new Error(`no ${event.type}`);
        task = next.task;
      }
      return task;
    }),
  );
}

/** Stores what a node has learnt from sixty jobs of that account, which took 50 to 69 s. */
export async function learnt(store: Store, prior: Prior, atMs: number): Promise<void> {
  const log = pino({ level: 'silent' });
  const learning = createLearning({
    store,
    cluster: createManualCluster(),
    timers: createManualTimers(),
    log,
  });
  const kind = { account: 'one', model: 'upstream-model', resolution: '720p', durationSeconds: 4 };
  for (let n = 0; n < 60; n++) {
    const ms = (50 + (n % 20)) * 1000;
    learning.estimator.learn(kind, prior, { outcome: 'succeeded', total: { fromMs: ms, toMs: ms } }, atMs);
  }
  await learning.stop();
}

/**
 * The least burst of a rate within which calls at these times stay: in no window of w seconds are there more than `perSecond` · w and it.
 * Milliseconds, in order.
 */
export function burstBeyond(times: readonly number[], perSecond: number): number {
  let used = 0;
  let most = 0;
  for (const [index, at] of times.entries()) {
    const passedMs = at - (times[index - 1] ?? at);
    used = Math.max(0, used - (passedMs * perSecond) / 1000) + 1;
    most = Math.max(most, used);
  }
  return most;
}
