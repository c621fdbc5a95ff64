import type { RateLimiterTime } from '../rates/limiter.ts';

/** One answer for everybody who asks the same within a while. */
export interface SharedAnswers<T> {
  /** What `ask` gives, or gave less than the freshness ago to somebody who asked under the same key. Failures are not kept. */
  of(key: string, ask: () => Promise<T>): Promise<T>;
}

/** Shares answers for `freshMs` milliseconds from when they were asked for. */
export function createSharedAnswers<T>(
  freshMs: number,
  now: RateLimiterTime['now'] = () => performance.now(),
): SharedAnswers<T> {
  const answers = new Map<string, { readonly askedAt: number; readonly answer: Promise<T> }>();

  return {
    of(key, ask) {
      for (const [old, { askedAt }] of answers) if (askedAt + freshMs <= now()) answers.delete(old);
      const known = answers.get(key);
      if (known) return known.answer;
      const answer = ask();
      answers.set(key, { askedAt: now(), answer });
      answer.catch(() => answers.get(key)?.answer === answer && answers.delete(key));
      return answer;
    },
  };
}
