import { type EventType, eventTypeOf } from './events.ts';
import { billableSeconds, costMicros } from './money.ts';
import type { TaskError } from './reasons.ts';
import {
  type Attempt,
  type AttemptOutcome,
  type Phase,
  type Rate,
  statusOf,
  type Task,
  type TaskResult,
  type UpstreamResult,
} from './task.ts';
import { bounded, storable, unquoted } from './text.ts';

/** When the upstream worked on a job, as far as it told, by this gateway's clock. Milliseconds UTC. */
export interface WorkTimes {
  readonly startedAt?: number;
  readonly endedAt?: number;
}

/** An event in the life of a task. Every durable change of a task is one of these. */
export type Event =
  /** The intent to submit, which is stored before the first byte is sent upstream. */
  | {
      readonly type: 'submit_intended';
      readonly accountId: string;
      readonly server?: string;
      readonly idempotencyKey: string;
      readonly upstreamModel: string;
      readonly findVersion?: string;
      readonly intendedThereAt?: number;
    }
  | { readonly type: 'submit_confirmed'; readonly upstreamId: string; readonly working: boolean }
  /** The job was certainly not created upstream. The task waits for another attempt. */
  | { readonly type: 'submit_refused'; readonly detail?: string }
  /** The server that had the job has lost it. The task waits for another attempt. */
  | { readonly type: 'job_lost'; readonly detail?: string }
  | ({ readonly type: 'work_started' } & Pick<WorkTimes, 'startedAt'>)
  | ({ readonly type: 'upstream_succeeded'; readonly result: UpstreamResult } & WorkTimes)
  /** The video is stored and verified. `rate` is that of the delivered format at the service that made it, if known. */
  | {
      readonly type: 'stored';
      readonly result: Omit<TaskResult, 'costMicros'>;
      readonly rate?: Rate;
    }
  | ({
      readonly type: 'failed';
      readonly error: TaskError;
      readonly outcome: AttemptOutcome;
      readonly detail?: string;
    } & WorkTimes)
  | { readonly type: 'cancel_requested' }
  /** The task cannot be cancelled, or no longer; this withdraws the request. */
  | { readonly type: 'cancel_refused' }
  /** The upstream finished the job after the task had expired. The task stays failed, and its attempt records the result. */
  | { readonly type: 'finished_late'; readonly result: UpstreamResult }
  /** The upstream ended the job without a video after the task had failed, so that it occupies no place any more. */
  | { readonly type: 'ended_late' }
  /** The stored files have changed: a damaged video was fetched again, or a poster was made. With `posterId: undefined`, there is none. */
  | {
      readonly type: 'media_repaired';
      readonly result: StoredFiles;
    }
  /** The caller deleted a finished task. The prompt, the inputs and what the upstream said are erased; the ledger is kept. */
  | { readonly type: 'deleted' };

/** What a repair changes of a result. */
export type StoredFiles = Partial<Pick<TaskResult, 'bytes' | 'sha256'>> & {
  readonly posterId?: string | undefined;
};

type StoredEvent = Extract<Event, { type: 'stored' }>;

/** A row of the append-only ledger, unique per (task, kind). */
export interface LedgerRow {
  readonly kind: 'hold' | 'capture' | 'release';
  readonly amountMicros: number;
}

/** A legal transition: the task after it, and the rows to write in the same transaction. */
export interface Move {
  /** Milliseconds UTC. */
  readonly at: number;
  readonly from: { readonly phase: Phase; readonly version: number };
  readonly task: Task;
  readonly ledger: readonly LedgerRow[];
  /** The public event that it is, if it is one: a row of the event log. */
  readonly event?: EventType;
  /**
   * It is made again if a power failure takes it: the upstream tells again that it works, or the poster is made again. Money, intents and ends
   * never are. Nor is the success of a job: some upstreams forget a job once its video was downloaded, and then only this move leads to the file.
   */
  readonly repeatable?: true;
}

/** The events that are legal in each phase. Any other event leaves the task as it is. */
export const LEGAL: Readonly<Record<Phase, readonly Event['type'][]>> = {
  accepted: ['submit_intended', 'failed', 'cancel_requested'],
  submitting: ['submit_confirmed', 'submit_refused', 'failed', 'cancel_requested'],
  running: ['work_started', 'upstream_succeeded', 'job_lost', 'failed', 'cancel_requested', 'cancel_refused'],
  storing: ['stored', 'failed', 'cancel_refused'],
  succeeded: ['media_repaired', 'deleted'],
  failed: ['deleted', 'finished_late', 'ended_late'],
};

/** Maximum length of upstream text stored with a task: enough for a diagnosis. Characters. */
const DETAIL_LIMIT = 2000;

/**
 * How long an attempt occupies its place if its end upstream was not learnt: twice the longest time in which the catalogue expects nine of
 * ten jobs to end (15 minutes). Milliseconds.
 */
export const LINGER_MS = 30 * 60_000;

/**
 * The complete lifecycle as one pure function: applies an event to a task at `now` (milliseconds UTC). Returns undefined if the
 * event is not legal in this phase or changes nothing.
 */
export function move(task: Task, given: Event, now: number): Move | undefined {
  if (!LEGAL[task.phase].includes(given.type)) return undefined;
  const moved = applied(task, withStorableText(given, task.request), now);
  const event = moved && eventTypeOf(statusOf(task), statusOf(moved.task));
  return (
    moved && { ...moved, ...(event ? { event } : {}), ...(isRepeatable(given) ? { repeatable: true } : {}) }
  );
}

function isRepeatable(event: Event): boolean {
  switch (event.type) {
    case 'work_started':
      return true;
    case 'media_repaired':
      return event.result.bytes === undefined && event.result.sha256 === undefined;
    default:
      return false;
  }
}

/** The move of a legal event. */
function applied(task: Task, event: Event, now: number): Move | undefined {
  const to = (changes: Partial<Task>, ledger: readonly LedgerRow[] = []): Move => ({
    at: now,
    from: { phase: task.phase, version: task.version },
    task: { ...task, ...changes, version: task.version + 1 },
    ledger,
  });

  switch (event.type) {
    case 'submit_intended':
      // Another node may have stored a cancel request since the driver looked.
      if (task.cancelRequestedAt !== undefined) return undefined;
      return to({
        phase: 'submitting',
        attempt: {
          number: (task.attempt?.number ?? 0) + 1,
          accountId: event.accountId,
          ...(event.server === undefined ? {} : { server: event.server }),
          idempotencyKey: event.idempotencyKey,
          upstreamModel: event.upstreamModel,
          ...(event.findVersion === undefined ? {} : { findVersion: event.findVersion }),
          intendedAt: now,
          ...(event.intendedThereAt === undefined ? {} : { intendedThereAt: event.intendedThereAt }),
        },
      });

    case 'submit_confirmed':
      return to({
        phase: 'running',
        attempt: { ...attemptOf(task), upstreamId: event.upstreamId, submittedAt: now },
        ...(event.working ? { startedAt: now } : {}),
      });

    case 'submit_refused':
      return to({
        phase: 'accepted',
        attempt: ended(attemptOf(task), 'refused', now, event.detail),
      });

    case 'job_lost':
      return to({ phase: 'accepted', attempt: ended(attemptOf(task), 'lost', now, event.detail) });

    case 'work_started':
      return task.startedAt === undefined
        ? to({ startedAt: plausible(task, event.startedAt ?? now, now) })
        : undefined;

    case 'upstream_succeeded': {
      const attempt = attemptOf(task);
      const endedAt = event.endedAt === undefined ? undefined : plausible(task, event.endedAt, now);
      // Of a job that was never seen at work, only its end may be known. The upstream had it since the submission.
      const startedAt =
        event.startedAt ?? task.startedAt ?? (endedAt === undefined ? now : attempt.intendedAt);
      return to({
        phase: 'storing',
        startedAt: plausible(task, startedAt, endedAt ?? now),
        attempt: {
          ...attempt,
          ...(endedAt === undefined ? {} : { endedAt }),
          upstreamResult: event.result,
        },
      });
    }

    case 'stored': {
      const cost = costOf(task, event);
      return to(
        {
          phase: 'succeeded',
          completedAt: now,
          attempt: ended(attemptOf(task), 'succeeded', task.attempt?.endedAt ?? now),
          result: { ...event.result, costMicros: cost },
        },
        settlement(task.price.holdMicros, cost),
      );
    }

    case 'failed': {
      const endedAt = plausible(task, event.endedAt ?? now, now);
      const isLive = task.attempt !== undefined && !task.attempt.outcome;
      // Of a job that ended before, such as one that its server had lost, nothing new is to be told.
      const startedAt = (isLive ? event.startedAt : undefined) ?? task.startedAt;
      return to(
        {
          phase: 'failed',
          ...(startedAt === undefined ? {} : { startedAt: plausible(task, startedAt, endedAt) }),
          completedAt: now,
          error: event.error,
          ...(task.attempt && isLive
            ? { attempt: lingering(task, ended(task.attempt, event.outcome, endedAt, event.detail), now) }
            : {}),
        },
        [{ kind: 'release', amountMicros: task.price.holdMicros }],
      );
    }

    case 'finished_late':
      return task.attempt?.outcome === 'expired'
        ? to({ attempt: { ...freed(task.attempt, now), outcome: 'late', upstreamResult: event.result } })
        : undefined;

    case 'ended_late':
      return (task.attempt?.placeUntil ?? now) > now
        ? to({ attempt: freed(attemptOf(task), now) })
        : undefined;

    case 'media_repaired':
      return task.result && task.deletedAt === undefined
        ? to({ result: repaired(task.result, event.result) })
        : undefined;

    case 'cancel_requested':
      return task.cancelRequestedAt === undefined ? to({ cancelRequestedAt: now }) : undefined;

    case 'cancel_refused': {
      if (task.cancelRequestedAt === undefined) return undefined;
      const { cancelRequestedAt: _, ...goesOn } = task;
      const refused = to({});
      return { ...refused, task: { ...goesOn, version: refused.task.version } };
    }

    case 'deleted':
      return task.deletedAt === undefined ? to({ deletedAt: now, ...erased(task) }) : undefined;
  }
}

/** Replaces what a store cannot hold in text of an upstream, so that the stored task equals the one in memory. */
function withStorableText(event: Event, request: Task['request']): Event {
  const detailOf = (detail: string) => bounded(withoutPrompts(detail, request), DETAIL_LIMIT);
  switch (event.type) {
    case 'submit_confirmed':
      return { ...event, upstreamId: storable(event.upstreamId) };
    case 'submit_refused':
    case 'job_lost':
      return event.detail === undefined ? event : { ...event, detail: detailOf(event.detail) };
    case 'failed':
      return {
        ...event,
        error: { ...event.error, message: bounded(event.error.message, DETAIL_LIMIT) },
        ...(event.detail === undefined ? {} : { detail: detailOf(event.detail) }),
      };
    default:
      return event;
  }
}

/** Text of an upstream for the operator, without the texts of the caller that it quotes. */
const withoutPrompts = (text: string, { prompt, negativePrompt, style }: Task['request']): string =>
  [prompt, negativePrompt, style].reduce<string>((rest, words) => unquoted(rest, words ?? ''), text);

/** The final price: never more than the price frozen on the task, less if what was delivered costs less. */
const costOf = ({ price, request }: Task, { result, rate }: StoredEvent): number =>
  costMicros(price, billableSeconds(request.duration, result.duration), rate);

/** Captures the cost and releases the rest of the hold, so that every hold is matched to the micro-unit. */
function settlement(holdMicros: number, cost: number): LedgerRow[] {
  const rest = holdMicros - cost;
  return [
    { kind: 'capture', amountMicros: cost },
    ...(rest > 0 ? [{ kind: 'release', amountMicros: rest } as const] : []),
  ];
}

function attemptOf(task: Task): Attempt {
  // Only `submit_intended` leads out of `accepted` towards the upstream, and it creates the attempt.
  if (!task.attempt) throw new Error(`task ${task.id} is ${task.phase} without an attempt`);
  return task.attempt;
}

function ended(attempt: Attempt, outcome: AttemptOutcome, endedAt: number, detail?: string): Attempt {
  return { ...attempt, outcome, endedAt, ...(detail ? { detail } : {}) };
}

/** A time of the upstream's work, moved into its bounds: no job is worked on before its submission or after `latest`. */
function plausible({ attempt, createdAt }: Task, time: number, latest: number): number {
  return Math.min(latest, Math.max(attempt?.intendedAt ?? createdAt, Math.round(time)));
}

/** The place of an attempt that the upstream may still work on lingers for a while. */
function lingering({ phase }: Task, attempt: Attempt, now: number): Attempt {
  const isUpstream = phase === 'submitting' || phase === 'running';
  const isUncertain = attempt.outcome === 'expired' || attempt.outcome === 'unknown';
  return isUpstream && isUncertain ? { ...attempt, placeUntil: now + LINGER_MS } : attempt;
}

/** A lingering place is free from now on. */
function freed(attempt: Attempt, now: number): Attempt {
  return attempt.placeUntil === undefined
    ? attempt
    : { ...attempt, placeUntil: Math.min(attempt.placeUntil, now) };
}

function repaired(result: TaskResult, changes: StoredFiles): TaskResult {
  const { posterId, ...rest } = { ...result, ...changes };
  return { ...rest, ...(posterId === undefined ? {} : { posterId }) };
}

/** What remains of a task without its caller's words and an upstream's, which may quote them. The store erases those of earlier attempts. */
function erased({ request, attempt, error }: Task): Partial<Task> {
  const { model, duration, resolution, aspectRatio, width, height } = request;
  const { detail: _, ...tried } = attempt ?? {};
  return {
    request: { model, prompt: '', duration, resolution, aspectRatio, width, height },
    ...(attempt && { attempt: tried as Attempt }),
    ...(error && { error: { ...error, message: '' } }),
  };
}
