import type { Log } from '../../observability/log.ts';
import { LONG_AGO, later, latest, type Moment, type MonotonicClock, msBetween } from '../../time/clock.ts';

/** How the questions about one account's jobs are doing. */
export interface AccountPolls {
  readonly account: string;
  /** Since when the question that is longest overdue should have gone out; undefined where none is overdue. */
  readonly dueSince: Moment | undefined;
  /** When a question last came back from the upstream, with an answer or with the upstream's own trouble. */
  readonly settledAt: Moment;
  /** When the last of the questions under way began; undefined where none is. */
  readonly askingSince: Moment | undefined;
  /** The upstream wants to be left alone until then. */
  readonly pausedUntil: Moment;
}

/**
 * Notices when this node cannot ask upstreams about its tasks because of something in this node: the lease guard refuses, timers stand
 * still, descriptors ran out, or a defect. An upstream that is down, or that limits the rate, is asked and answers badly: that is no
 * reason to take the node out of the load balancer, since no other node would fare better. It shows in the logs and the metrics.
 */
export interface PollWatch {
  /** For how long questions of some account have been due and could not go out because of this node. */
  stalledMs(): number;
  /** Whether that has lasted so long that the node is not ready. */
  readonly stalled: boolean;
  stop(): void;
}

interface PollWatchParts {
  readonly clock: MonotonicClock;
  readonly polls: () => Iterable<AccountPolls>;
  /** Longer than any question may take, in milliseconds. */
  readonly callTimeoutMs: number;
  readonly log: Pick<Log, 'error' | 'info'>;
  /** Does `work` every so many milliseconds. Not by the engine's timers, which may be what stands still. */
  readonly every?: (ms: number, work: () => void) => () => void;
}

/** Several times what a question waits after a failure. Milliseconds. */
const STALLED_MS = 120_000;
const LOOK_MS = 10_000;

export function createPollWatch(parts: PollWatchParts): PollWatch {
  const { clock, polls, callTimeoutMs, log, every = everyInterval } = parts;
  let lookedAt = clock.monotonic();
  /** Where the whole process stood still, what is overdue is about to be asked: time counts from its awakening. */
  let countsFrom = LONG_AGO;
  let told = false;

  function stalledMsOf({ dueSince, settledAt, askingSince, pausedUntil }: AccountPolls, now: Moment): number {
    if (dueSince === undefined) return 0;
    const over = askingSince === undefined ? LONG_AGO : later(askingSince, callTimeoutMs);
    return msBetween(latest(dueSince, settledAt, pausedUntil, over, countsFrom), now);
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
    if (stalled && !told) {
      log.error(
        { event: 'poll.stalled', account, seconds: Math.round(ms / 1000) },
        'this node cannot ask upstreams about its tasks; if the lines before do not say why, restart it',
      );
    }
    if (!stalled && told) log.info({ event: 'poll.resumed' }, 'this node asks upstreams again');
    told = stalled;
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
