import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import type { CancelOutcome, UpstreamTimes } from '../../../src/providers/provider.ts';
import type { Reason } from '../../../src/tasks/reasons.ts';

/** The result of one call of `submit`. */
export type StartStep =
  | 'accepted'
  /** The job is created, but the answer never arrives. */
  | 'answer_lost'
  /** Nothing is created, and the caller cannot know. */
  | 'request_lost'
  | { readonly refuse: Reason; readonly retryAfterMs?: number };

/** The answer to one poll. */
export type AnswerStep =
  | 'queued'
  | 'in_progress'
  | 'succeeded'
  | 'missing'
  | { readonly progress: number }
  | { readonly failed: Reason; readonly message: string; readonly detail?: string }
  | { readonly error: Reason; readonly retryAfterMs?: number };

/** The result of one download. */
export type OpenStep =
  | 'whole'
  /** Declares the whole length, and ends after this many bytes. */
  | { readonly breakAfter: number }
  /** Declares no length, and ends after this many bytes as if they were all. */
  | { readonly silentlyOnly: number }
  /** The whole length with wrong bytes. */
  | 'damaged'
  | { readonly error: Reason };

/** How an upstream treats one task. The steps of each list are taken in order; the last one repeats. */
export interface Behaviour {
  readonly start?: readonly StartStep[];
  readonly answers?: readonly AnswerStep[];
  readonly open?: readonly OpenStep[];
  /** `look` searches truthfully. */
  readonly find?: readonly ('look' | 'absent' | 'unknown' | { readonly error: Reason })[];
  readonly cancel?: readonly (CancelOutcome | { readonly error: Reason })[];
  /** Links have a number that grows with each answer; those below this one have expired. */
  readonly firstGoodLink?: number;
  /** Milliseconds UTC, returned with every link. */
  readonly resultExpiresAt?: number;
  /** Seconds of video delivered. */
  readonly duration?: number;
  /** Length of the video. */
  readonly bytes?: number;
  /** When the job was worked on, told with every answer that may have it. */
  readonly times?: UpstreamTimes;
}

/** A call of the upstream, and its outcome. */
export interface UpstreamRecord {
  readonly call: 'submit' | 'poll' | 'pollMany' | 'open' | 'cancel' | 'find' | 'discard';
  readonly account: string;
  readonly taskId: string;
  readonly key: string;
  /** The job that was created or named. */
  readonly upstreamId?: string;
  readonly outcome: string;
  readonly prompt?: string;
  /** The offset of a download. */
  readonly offset?: number;
}

/**
 * The memory of an upstream that outlives the gateway: every call, appended to a file as it happens, so
 * that a process killed at any moment cannot lose it.
 */
export interface RecordingUpstream {
  readonly records: readonly UpstreamRecord[];
  behaviour(taskId: string, prompt: string): Behaviour;
  record(entry: UpstreamRecord): void;
  /** How often a call was made for a task. */
  count(call: UpstreamRecord['call'], taskId?: string): number;
  /** Resolves with the first record that `matches`, past or future. */
  seen(matches: (entry: UpstreamRecord) => boolean): Promise<UpstreamRecord>;
}

export function createRecordingUpstream(options: {
  readonly path?: string;
  readonly behaviour?: (prompt: string, taskId: string) => Behaviour;
}): RecordingUpstream {
  const { path, behaviour = () => ({}) } = options;
  const records = path !== undefined && existsSync(path) ? readRecords(path) : [];
  const waiting = new Set<(entry: UpstreamRecord) => void>();

  return {
    records,
    behaviour: (taskId, prompt) => behaviour(prompt, taskId),
    record(entry) {
      // Written before anything else happens: the page cache survives the process.
      if (path !== undefined) appendFileSync(path, `${JSON.stringify(entry)}\n`);
      records.push(entry);
      for (const listener of [...waiting]) listener(entry);
    },
    count: (call, taskId) =>
      records.filter((entry) => entry.call === call && (taskId === undefined || entry.taskId === taskId))
        .length,
    seen: (matches) =>
      new Promise((resolve) => {
        const already = records.find(matches);
        if (already) return resolve(already);
        const listener = (entry: UpstreamRecord) => {
          if (!matches(entry)) return;
          waiting.delete(listener);
          resolve(entry);
        };
        waiting.add(listener);
      }),
  };
}

/** Every call of an upstream whose memory is in `path`. */
export function readRecords(path: string): UpstreamRecord[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}
