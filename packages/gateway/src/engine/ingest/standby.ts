import type { ActiveTask } from '../activeTask.ts';
import type { EngineParts } from '../parts.ts';

type StandbyParts = Pick<EngineParts, 'feed' | 'inspector' | 'timers'> & {
  readonly activeTasks: Iterable<ActiveTask>;
};

/** Interval between two preparations. Shorter than the time after which an idle checker ends. Milliseconds. */
const PREPARE_MS = 30_000;

/**
 * Keeps a checker ready while upstreams work on tasks of this node, because clients wait while a video is checked and starting a checker
 * takes much longer than the check. Without such tasks it ends like any idle one, and its memory is free.
 */
export function createStandby({ feed, inspector, timers, activeTasks }: StandbyParts) {
  let cancelTimer: (() => void) | undefined;
  let unsubscribe: (() => void) | undefined;

  function prepare(): void {
    cancelTimer = undefined;
    if (!hasRunning(activeTasks)) return;
    // The next check starts a checker itself, and fails with the cause.
    inspector.prepare().catch(() => undefined);
    cancelTimer = timers.after(PREPARE_MS, prepare);
  }

  return {
    start(): void {
      // A task that was adopted changes, too: it gets an expected end.
      unsubscribe = feed.onChange(({ task }) => {
        if (task.phase === 'running' && !cancelTimer) prepare();
      });
    },
    stop(): void {
      unsubscribe?.();
      cancelTimer?.();
    },
  };
}

function hasRunning(activeTasks: Iterable<ActiveTask>): boolean {
  for (const { task } of activeTasks) if (task.phase === 'running') return true;
  return false;
}
