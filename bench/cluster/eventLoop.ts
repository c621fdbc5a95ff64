import { monitorEventLoopDelay } from 'node:perf_hooks';

/** How long the event loop was blocked, milliseconds. */
export interface Stalls {
  readonly max: number;
  readonly p99: number;
  /** The longest time between two calls of a timer. */
  readonly gap: number;
  /** The most CPU time of this thread between two calls of the timer: the stall on a machine that does nothing else. */
  readonly cpu: number;
}

const TICK_MS = 5;

/** Watches the event loop from now on, until the result is called. */
export function watchEventLoop(): () => Stalls {
  const delays = monitorEventLoopDelay({ resolution: TICK_MS });
  delays.enable();
  let [at, used] = [performance.now(), threadMs()];
  let [gap, cpu] = [0, 0];
  const tick = (): void => {
    const [now, using] = [performance.now(), threadMs()];
    gap = Math.max(gap, now - at);
    cpu = Math.max(cpu, using - used);
    [at, used] = [now, using];
  };
  const timer = setInterval(tick, TICK_MS);
  return () => {
    tick();
    clearInterval(timer);
    delays.disable();
    return { max: delays.max / 1e6, p99: delays.percentile(99) / 1e6, gap, cpu };
  };
}

function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
