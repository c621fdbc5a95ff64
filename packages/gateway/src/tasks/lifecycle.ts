import { billableSeconds, costMicros } from './money.ts';
import type { TaskError } from './reasons.ts';
import type { Attempt, AttemptOutcome, Phase, Task, TaskResult, UpstreamResult } from './task.ts';
import { bounded, storable } from './text.ts';

/** What can happen to a task. Every durable change of a task is one of these. */
export type Event =
  /** The intent: written before the first byte goes upstream. */
  | {
      readonly type: 'submit_intended';
      readonly accountId: string;
      readonly idempotencyKey: string;
      readonly upstreamModel: string;
      readonly intendedThereAt?: number;
    }
  | { readonly type: 'submit_confirmed'; readonly upstreamId: string; readonly working: boolean }
  /** Certainly not created upstream: the task waits for another attempt. */
  | { readonly type: 'submit_refused'; readonly detail?: string }
  | { readonly type: 'work_started' }
  | { readonly type: 'upstream_succeeded'; readonly result: UpstreamResult }
  /** The bytes are in our storage, whole and checked. `microsPerSecond`: what was delivered has a price of its own. */
  | {
      readonly type: 'stored';
      readonly result: Omit<TaskResult, 'costMicros'>;
      readonly microsPerSecond?: number;
    }
  | {
      readonly type: 'failed';
      readonly error: TaskError;
      readonly outcome: AttemptOutcome;
      readonly detail?: string;
    }
  | { readonly type: 'cancel_requested' }
  /** It cannot be cancelled (any more): the wish is off. */
  | { readonly type: 'cancel_refused' }
  /** The upstream finished a job whose task had expired: the task stays as it is, its attempt remembers. */
  | { readonly type: 'finished_late'; readonly result: UpstreamResult }
  /** What is stored of the video has changed: damaged bytes were fetched again, or its poster was made later. */
  | {
      readonly type: 'media_repaired';
      readonly result: Partial<Pick<TaskResult, 'posterId' | 'bytes' | 'sha256'>>;
    }
  /** The caller deleted a finished task: its words and inputs are erased, its ledger stays. */
  | { readonly type: 'deleted' };

type StoredEvent = Extract<Event, { type: 'stored' }>;

/** An append-only ledger row, unique per (task, kind). */
export interface LedgerRow {
  readonly kind: 'hold' | 'capture' | 'release';
  readonly amountMicros: number;
}

/** A legal move: the task after it, and the money rows that belong in the same transaction. */
export interface Move {
  /** Milliseconds UTC. */
  readonly at: number;
  readonly from: { readonly phase: Phase; readonly version: number };
  readonly task: Task;
  readonly ledger: readonly LedgerRow[];
}

/** Which events a phase admits. What is not here is illegal, and leaves the task as it is. */
export const LEGAL: Readonly<Record<Phase, readonly Event['type'][]>> = {
  accepted: ['submit_intended', 'failed', 'cancel_requested'],
  submitting: ['submit_confirmed', 'submit_refused', 'failed', 'cancel_requested'],
  running: ['work_started', 'upstream_succeeded', 'failed', 'cancel_requested', 'cancel_refused'],
  storing: ['stored', 'failed', 'cancel_refused'],
  succeeded: ['media_repaired', 'deleted'],
  failed: ['deleted', 'finished_late'],
};

/** Upstream words kept with a task, in characters: enough to diagnose, too little to bloat a row. */
const WORDS_LIMIT = 2000;

/**
 * The whole lifecycle in one pure function: what `event` makes of `task` at `now` (milliseconds UTC), or undefined
 * where the event is not legal in this phase, or changes nothing.
 */
export function move(task: Task, given: Event, now: number): Move | undefined {
  if (!LEGAL[task.phase].includes(given.type)) return undefined;
  const event = inStorableWords(given);
  const to = (changes: Partial<Task>, ledger: readonly LedgerRow[] = []): Move => ({
    at: now,
    from: { phase: task.phase, version: task.version },
    task: { ...task, ...changes, version: task.version + 1 },
    ledger,
  });

  switch (event.type) {
    case 'submit_intended':
      return to({
        phase: 'submitting',
        attempt: {
          number: (task.attempt?.number ?? 0) + 1,
          accountId: event.accountId,
          idempotencyKey: event.idempotencyKey,
          upstreamModel: event.upstreamModel,
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

    case 'work_started':
      return task.startedAt === undefined ? to({ startedAt: now }) : undefined;

    case 'upstream_succeeded':
      return to({
        phase: 'storing',
        startedAt: task.startedAt ?? now,
        attempt: { ...attemptOf(task), upstreamResult: event.result },
      });

    case 'stored': {
      const cost = costOf(task, event);
      return to(
        {
          phase: 'succeeded',
          completedAt: now,
          attempt: ended(attemptOf(task), 'succeeded', now),
          result: { ...event.result, costMicros: cost },
        },
        settlement(task.price.holdMicros, cost),
      );
    }

    case 'failed':
      return to(
        {
          phase: 'failed',
          completedAt: now,
          error: event.error,
          ...(task.attempt && !task.attempt.outcome
            ? { attempt: ended(task.attempt, event.outcome, now, event.detail) }
            : {}),
        },
        [{ kind: 'release', amountMicros: task.price.holdMicros }],
      );

    case 'finished_late':
      return task.attempt?.outcome === 'expired'
        ? to({ attempt: { ...task.attempt, outcome: 'late', upstreamResult: event.result } })
        : undefined;

    case 'media_repaired':
      return task.result && task.deletedAt === undefined
        ? to({ result: { ...task.result, ...event.result } })
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
      return task.deletedAt === undefined ? to({ deletedAt: now, request: erased(task) }) : undefined;
  }
}

/** An upstream's words are anybody's: as text that every store holds, so that what is stored is what was meant. */
function inStorableWords(event: Event): Event {
  switch (event.type) {
    case 'submit_confirmed':
      return { ...event, upstreamId: storable(event.upstreamId) };
    case 'submit_refused':
      return event.detail === undefined ? event : { ...event, detail: bounded(event.detail, WORDS_LIMIT) };
    case 'failed':
      return {
        ...event,
        error: { ...event.error, message: bounded(event.error.message, WORDS_LIMIT) },
        ...(event.detail === undefined ? {} : { detail: bounded(event.detail, WORDS_LIMIT) }),
      };
    default:
      return event;
  }
}

/** The final price: never more than the price frozen on the task, less if the delivered format costs less. */
function costOf({ price, request }: Task, { result, microsPerSecond: delivered }: StoredEvent): number {
  const microsPerSecond = Math.min(price.microsPerSecond, delivered ?? price.microsPerSecond);
  return costMicros({ ...price, microsPerSecond }, billableSeconds(request.duration, result.duration));
}

/** Captures the cost and releases the rest of the hold, so that every hold is matched to the micro-unit. */
function settlement(holdMicros: number, cost: number): LedgerRow[] {
  const rest = holdMicros - cost;
  return [
    { kind: 'capture', amountMicros: cost },
    ...(rest > 0 ? [{ kind: 'release', amountMicros: rest } as const] : []),
  ];
}

function attemptOf(task: Task): Attempt {
  // Phases past `accepted` are entered by `submit_intended` alone, which makes the attempt.
  if (!task.attempt) throw new Error(`task ${task.id} is ${task.phase} without an attempt`);
  return task.attempt;
}

function ended(attempt: Attempt, outcome: AttemptOutcome, now: number, detail?: string): Attempt {
  return { ...attempt, outcome, endedAt: now, ...(detail ? { detail } : {}) };
}

function erased(task: Task): Task['request'] {
  const { model, duration, resolution, aspectRatio, width, height } = task.request;
  return { model, prompt: '', duration, resolution, aspectRatio, width, height };
}
