import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import type { CancelOutcome } from '../../../src/providers/provider.ts';
import type { Reason } from '../../../src/tasks/reasons.ts';

/** What one call of `start` does. */
export type StartStep =
  | 'accepted'
  /** The job is made, but the answer never arrives. */
  | 'answer_lost'
  /** Nothing is made, and the caller cannot know. */
  | 'request_lost'
  | { readonly refuse: Reason; readonly retryAfterMs?: number };

/** What one question is answered with. */
export type AnswerStep =
  | 'queued'
  | 'in_progress'
  | 'succeeded'
  | 'missing'
  | { readonly progress: number }
  | { readonly failed: Reason; readonly message: string }
  | { readonly error: Reason; readonly retryAfterMs?: number };

/** What one download gives. */
export type OpenStep =
  | 'whole'
  /** Says the whole length, and ends after so many bytes. */
  | { readonly breakAfter: number }
  /** Says no length, and ends after so many bytes as if that were all. */
  | { readonly silentlyOnly: number }
  /** The whole length with wrong bytes. */
  | 'damaged'
  | { readonly error: Reason };

/** How an upstream treats one task. Of each list the steps are taken in order, the last for ever after. */
export interface Behaviour {
  readonly start?: readonly StartStep[];
  readonly answers?: readonly AnswerStep[];
  readonly open?: readonly OpenStep[];
  /** `look` tells the truth. */
  readonly find?: readonly ('look' | 'absent' | 'unknown' | { readonly error: Reason })[];
  readonly cancel?: readonly (CancelOutcome | { readonly error: Reason })[];
  /** Links carry a number that grows with each answer; those below this one have expired. */
  readonly firstGoodLink?: number;
  /** Milliseconds UTC, told with every link. */
  readonly resultExpiresAt?: number;
  /** Seconds of video delivered. */
  readonly duration?: number;
  /** Length of the video. */
  readonly bytes?: number;
}

/** Something that was asked of the upstream, and what it did. */
export interface UpstreamRecord {
  readonly call: 'start' | 'ask' | 'askMany' | 'open' | 'cancel' | 'find' | 'discard';
  readonly account: string;
  readonly taskId: string;
  readonly key: string;
  /** The job made or meant. */
  readonly upstreamId?: string;
  readonly outcome: string;
  readonly prompt?: string;
  /** Where a download began. */
  readonly offset?: number;
}

/**
 * The memory of an upstream that outlives the gateway: everything asked of it, appended to a file as it happens, so
 * that a process killed at any moment cannot take it along.
 */
export interface RecordingUpstream {
  readonly records: readonly UpstreamRecord[];
  behaviour(taskId: string, prompt: string): Behaviour;
  record(entry: UpstreamRecord): void;
  /** How often a call was made for a task. */
  count(call: UpstreamRecord['call'], taskId?: string): number;
  /** Resolves with the first record that `matches`, one made already or one to come. */
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

/** Everything that was asked of an upstream whose memory is in `path`. */
export function readRecords(path: string): UpstreamRecord[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}
