import type { Log } from '../../observability/log.ts';

/** The meaning of an upstream's status word. */
export type Meaning = 'queued' | 'in_progress' | 'succeeded' | 'failed' | 'cancelled' | 'expired' | 'missing';

/** All status words of an upstream. */
export type StatusTable = Readonly<Record<string, Meaning>>;

/** Reads a status word of the job `upstreamId`. */
export type StatusReader = (word: string, upstreamId: string) => Meaning;

/** Makes a reader of status words. A word that is not in the table means "still running", because only a documented end is an end. */
export function createStatusReader(table: StatusTable, log: Pick<Log, 'warn'>): StatusReader {
  const reported = new Set<string>();
  return (word, upstreamId) => {
    const meaning = Object.hasOwn(table, word) ? table[word] : undefined;
    if (meaning) return meaning;
    if (!reported.has(word)) {
      reported.add(word);
      log.warn(
        { event: 'upstream.status_unknown', word, upstreamId },
        'the upstream answered with an undocumented status word; the job counts as running',
      );
    }
    return 'in_progress';
  };
}
