/** How long a kind of task takes, in seconds. */
export interface TypicalTime {
  readonly medianSeconds: number;
  readonly p90Seconds: number;
}

/** What the next poll of a task is scheduled by. Times in milliseconds. */
export interface PollSituation {
  /** Time since the upstream accepted the task. */
  readonly ageMs: number;
  readonly typical: TypicalTime;
  /** 0-100, if the upstream reports it. */
  readonly progress?: number;
  /** The shortest interval the account allows. */
  readonly minIntervalMs: number;
}

/** The polling policy: decides when to poll next. */
export interface PollScheduler {
  /** Milliseconds until the next poll. */
  nextDelay(situation: PollSituation): number;
  /** Milliseconds the task is expected to take from now on. */
  remaining(situation: Omit<PollSituation, 'minIntervalMs'>): number;
}

/** Longest interval between two polls: a finished video is noticed within half a minute. */
const MAX_INTERVAL_MS = 30_000;

/**
 * The default policy, based on the catalogue's figures: poll rarely while a task cannot be finished, often around the typical
 * time, and less and less often after that.
 */
export const typicalTimeScheduler: PollScheduler = {
  nextDelay({ ageMs, typical, progress, minIntervalMs }) {
    const median = medianMs(typical);
    const remaining = typicalTimeScheduler.remaining({
      ageMs,
      typical,
      ...(progress === undefined ? {} : { progress }),
    });
    // Almost nothing finishes before half the typical time; a single poll then catches an early failure.
    const early = ageMs < median / 2 ? Math.max(median / 4, remaining / 3) : 0;
    // Around the typical time, a twentieth of it is a delay that nobody notices. After that the interval grows with the age.
    const interval = Math.max(early, median / 20, (ageMs - median) / 10);
    return Math.min(MAX_INTERVAL_MS, Math.max(minIntervalMs, interval));
  },
  remaining({ ageMs, typical, progress }) {
    const median = medianMs(typical);
    // Once it has moved, the upstream's own percentage is better than an average.
    if (progress !== undefined && progress >= 5) return (ageMs * (100 - progress)) / progress;
    // After the median, the expected remaining time is half of the excess so far.
    return ageMs < median ? median - ageMs : Math.max(median / 10, (ageMs - median) / 2);
  },
};

const medianMs = (typical: TypicalTime): number => typical.medianSeconds * 1000;
