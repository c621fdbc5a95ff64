/** How long a kind of task takes, in seconds. */
export interface TypicalTime {
  readonly medianSeconds: number;
  readonly p90Seconds: number;
}

/** What is known when deciding the next question about a task. Times in milliseconds. */
export interface PollSituation {
  /** Since the upstream took the task. */
  readonly ageMs: number;
  readonly typical: TypicalTime;
  /** 0-100, where the upstream tells. */
  readonly progress?: number;
  /** The shortest interval the account allows. */
  readonly minIntervalMs: number;
}

/** Decides when to ask next. The whole tracking policy sits behind this. */
export interface PollScheduler {
  /** Milliseconds until the next question. */
  nextDelay(situation: PollSituation): number;
  /** Milliseconds the task is expected to take from now on. */
  remaining(situation: Omit<PollSituation, 'minIntervalMs'>): number;
}

/** Never longer than this between two questions: a finished video is known within half a minute at worst. */
const MAX_INTERVAL_MS = 30_000;

/**
 * The default: ask rarely while nothing can be finished, often around the typical time, and thin out in the tail,
 * from the catalogue's figures alone.
 */
export const typicalTimeScheduler: PollScheduler = {
  nextDelay({ ageMs, typical, progress, minIntervalMs }) {
    const median = medianMs(typical);
    const remaining = typicalTimeScheduler.remaining({
      ageMs,
      typical,
      ...(progress === undefined ? {} : { progress }),
    });
    // Before half the typical time next to nothing finishes; a single question then catches an early failure.
    const early = ageMs < median / 2 ? Math.max(median / 4, remaining / 3) : 0;
    // Around the typical time a twentieth of it is a delay that nobody notices; past it, age stretches the interval.
    const interval = Math.max(early, median / 20, (ageMs - median) / 10);
    return Math.min(MAX_INTERVAL_MS, Math.max(minIntervalMs, interval));
  },
  remaining({ ageMs, typical, progress }) {
    const median = medianMs(typical);
    // An upstream's own percentage is better than an average once it has moved.
    if (progress !== undefined && progress >= 5) return (ageMs * (100 - progress)) / progress;
    // A task that has outlived the median is expected to take as long again as the tail has shown so far.
    return ageMs < median ? median - ageMs : Math.max(median / 10, (ageMs - median) / 2);
  },
};

const medianMs = (typical: TypicalTime): number => typical.medianSeconds * 1000;
