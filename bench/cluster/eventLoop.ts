import { closeSync, openSync, readSync } from 'node:fs';
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';

/** How long the event loop was blocked, milliseconds. */
export interface Stalls {
  readonly max: number;
  readonly p99: number;
  /** The most CPU time of this thread between two calls of the timer: the stall on a machine that does nothing else. */
  readonly cpu: number;
  /** The longest pause of a collection of garbage. */
  readonly gc: number;
  /** The longest time between two calls of a timer, and what the thread did meanwhile. */
  readonly longest: Interval;
}

interface Interval {
  readonly ms: number;
  /** It ran. */
  readonly cpu: number;
  /** It could have run, and other threads had the cores. Not a number where there is no `/proc`. */
  readonly waited: number;
}

const TICK_MS = 5;

/** Watches the event loop from now on, until the result is called. */
export function watchEventLoop(): () => Stalls {
  const delays = monitorEventLoopDelay({ resolution: TICK_MS });
  delays.enable();
  const collections = watchCollections();
  const waits = openWaits();
  const read = () => ({ at: performance.now(), cpu: threadMs(), waited: waits.read() });
  let last = read();
  let most = 0;
  let longest: Interval = { ms: 0, cpu: 0, waited: 0 };
  const tick = (): void => {
    const now = read();
    const [ms, cpu] = [now.at - last.at, now.cpu - last.cpu];
    most = Math.max(most, cpu);
    if (ms > longest.ms) longest = { ms, cpu, waited: now.waited - last.waited };
    last = now;
  };
  const timer = setInterval(tick, TICK_MS);
  return () => {
    tick();
    clearInterval(timer);
    delays.disable();
    waits.close();
    return { max: delays.max / 1e6, p99: delays.percentile(99) / 1e6, cpu: most, gc: collections(), longest };
  };
}

/** Until the result is called, which tells the longest pause. Milliseconds. */
function watchCollections(): () => number {
  let longest = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longest = Math.max(longest, duration);
  });
  observer.observe({ entryTypes: ['gc'] });
  return () => {
    observer.disconnect();
    return longest;
  };
}

/** How long this thread, which is the main one, has waited for a core so far. Milliseconds. */
function openWaits(): { read(): number; close(): void } {
  if (process.platform !== 'linux') return { read: () => Number.NaN, close: () => undefined };
  const file = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
  const text = Buffer.alloc(100);
  return {
    read: () =>
      Number(text.toString('latin1', 0, readSync(file, text, 0, text.length, 0)).split(' ')[1]) / 1e6,
    close: () => closeSync(file),
  };
}

function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
