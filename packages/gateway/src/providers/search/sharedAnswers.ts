/** Shares one answer among calls that ask the same within a short time. */
export interface SharedAnswers<T> {
  /** Returns a fresh answer to the same key, or calls `ask`. Failures are not shared with later calls. */
  of(key: string, ask: () => Promise<T>): Promise<T>;
}

/** Shares answers for `freshMs` milliseconds, counted from when they were requested. */
export function createSharedAnswers<T>(
  freshMs: number,
  now: () => number = () => performance.now(),
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
