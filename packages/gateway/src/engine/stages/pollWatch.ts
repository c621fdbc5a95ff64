import type { Log } from '../../observability/log.ts';
import { LONG_AGO, later, latest, type Moment, type MonotonicClock, msBetween } from '../../time/clock.ts';

/** The state of the polls of one account. */
export interface AccountPolls {
  readonly account: string;
  /** When the longest overdue poll should have been sent; undefined if none is overdue. */
  readonly dueSince: Moment | undefined;
  /** When a poll last returned from the upstream, with an answer or an upstream error. */
  readonly returnedAt: Moment;
  /** When the latest poll in flight was sent; undefined if none is in flight. */
  readonly inFlightSince: Moment | undefined;
  /** Until when the upstream asked not to be polled. */
  readonly pausedUntil: Moment;
}

/**
 * Detects that this node cannot poll upstreams because of a fault in this node: the lease guard refuses, timers have stopped, file
 * descriptors have run out, or there is a bug. An upstream that is down or limits the rate does not count, because other nodes would
 * fare no better if this one left the load balancer. The logs and the metrics show it.
 */
export interface PollWatch {
  /** The longest time for which polls of an account have been overdue because of this node. */
  stalledMs(): number;
  /** Whether that time is so long that the node is not ready. */
  readonly stalled: boolean;
  stop(): void;
}

interface PollWatchParts {
  readonly clock: MonotonicClock;
  readonly polls: () => Iterable<AccountPolls>;
  /** The timeout of a poll, in milliseconds. */
  readonly callTimeoutMs: number;
  readonly log: Pick<Log, 'error' | 'info'>;
  /** Runs `work` every `ms` milliseconds. It must not use the engine's timers, which may be what has stopped. */
  readonly every?: (ms: number, work: () => void) => () => void;
}

/** Several times the longest delay after a failed poll. Milliseconds. */
const STALLED_MS = 120_000;
const LOOK_MS = 10_000;

export function createPollWatch(parts: PollWatchParts): PollWatch {
  const { clock, polls, callTimeoutMs, log, every = everyInterval } = parts;
  let lookedAt = clock.monotonic();
  /** When the process was last resumed after a suspension: overdue polls are then about to be sent. */
  let countsFrom = LONG_AGO;
  let logged = false;

  function stalledMsOf(
    { dueSince, returnedAt, inFlightSince, pausedUntil }: AccountPolls,
    now: Moment,
  ): number {
    if (dueSince === undefined) return 0;
    const over = inFlightSince === undefined ? LONG_AGO : later(inFlightSince, callTimeoutMs);
    return msBetween(latest(dueSince, returnedAt, pausedUntil, over, countsFrom), now);
  }

  function worst(): { readonly account: string; readonly ms: number } {
    const now = clock.monotonic();
    if (msBetween(lookedAt, now) > 2 * LOOK_MS) countsFrom = now;
    lookedAt = now;
    let found = { account: '', ms: 0 };
    for (const one of polls()) {
      const ms = stalledMsOf(one, now);
      if (ms > found.ms) found = { account: one.account, ms };
    }
    return found;
  }

  function look(): void {
    const { account, ms } = worst();
    const stalled = ms >= STALLED_MS;
    if (stalled && !logged) {
      log.error(
        { event: 'poll.stalled', account, seconds: Math.round(ms / 1000) },
        'this node cannot poll upstreams for its tasks; if the lines before do not say why, restart it',
      );
    }
    if (!stalled && logged) log.info({ event: 'poll.resumed' }, 'this node polls upstreams again');
    logged = stalled;
  }

  const cancel = every(LOOK_MS, look);
  return {
    stalledMs: () => worst().ms,
    get stalled() {
      return worst().ms >= STALLED_MS;
    },
    stop: cancel,
  };
}

function everyInterval(ms: number, work: () => void): () => void {
  const timer = setInterval(work, ms);
  timer.unref();
  return () => clearInterval(timer);
}
