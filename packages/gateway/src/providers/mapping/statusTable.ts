import type { Log } from '../../observability/log.ts';

/** The meaning of an upstream's status word. */
export type Meaning = 'queued' | 'in_progress' | 'succeeded' | 'failed' | 'cancelled' | 'expired' | 'missing';

/** All status words of an upstream. */
export type StatusTable = Readonly<Record<string, Meaning>>;

/** Reads status words. A word that is not in the table means "still running", because only a documented end is an end. */
export function createStatusReader(
  table: StatusTable,
  log: Pick<Log, 'warn'>,
): (word: string, about: string) => Meaning {
  const reported = new Set<string>();
  return (word, about) => {
    const meaning = Object.hasOwn(table, word) ? table[word] : undefined;
    if (meaning) return meaning;
    if (!reported.has(word)) {
      reported.add(word);
      log.warn(
        { event: 'upstream.status_unknown', word, upstreamId: about },
        'the upstream answered with an undocumented status word; the job counts as running',
      );
    }
    return 'in_progress';
  };
}
