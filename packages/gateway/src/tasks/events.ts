import { hash } from 'node:crypto';
import type { VideoRequest } from './request.ts';
import type { Attempt, Price, Status, Task } from './task.ts';

/** The public changes of a task. Each happens to it once at most. */
export const EVENT_TYPES = ['video.started', 'video.succeeded', 'video.failed'] as const;
export type EventType = (typeof EVENT_TYPES)[number];

const TASK = [
  'id',
  'phase',
  'createdAt',
  'startedAt',
  'completedAt',
  'cancelRequestedAt',
  'result',
  'error',
] as const;
const REQUEST = [
  'model',
  'duration',
  'autoDuration',
  'resolution',
  'aspectRatio',
  'width',
  'height',
  'metadata',
  'notes',
] as const;
const ATTEMPT = ['outcome', 'endedAt'] as const;
const PRICE = ['currency'] as const;

/** What the public answer about a task is made of. Without the prompt, which no answer has. */
export interface AnsweredTask extends Pick<Task, (typeof TASK)[number]> {
  readonly request: Pick<VideoRequest, (typeof REQUEST)[number]> & {
    /** Whose API the task was made through. Missing in events that nodes of an earlier version have stored. */
    readonly api?: 'openai' | 'unified';
  };
  readonly attempt?: Pick<Attempt, (typeof ATTEMPT)[number]>;
  readonly price: Pick<Price, (typeof PRICE)[number]>;
}

/** A public change of a task, as it is kept in the event log. */
export interface TaskEvent {
  /** `evt_` and 32 hex digits. The same if the same change is written again. */
  readonly id: string;
  readonly type: EventType;
  readonly projectId: string;
  readonly keyId: string;
  readonly taskId: string;
  /** Milliseconds UTC. */
  readonly at: number;
  /** The task as the event left it. */
  readonly task: AnsweredTask;
}

/** The type of the event that a change of the status is; undefined if it is none. */
export function eventTypeOf(before: Status, after: Status): EventType | undefined {
  if (before === after || after === 'queued') return undefined;
  return after === 'in_progress' ? 'video.started' : `video.${after}`;
}

/** What an event is made of: a move. */
interface Moved {
  readonly at: number;
  readonly task: Task;
  readonly event?: EventType;
}

/** The event of a move; undefined if its change is not public. */
export function eventOf({ at, task, event: type }: Moved): TaskEvent | undefined {
  if (type === undefined) return undefined;
  const { id: taskId, projectId, keyId } = task;
  return { id: idOf(taskId, type), type, projectId, keyId, taskId, at, task: answered(task) };
}

const idOf = (taskId: string, type: EventType): string =>
  `evt_${hash('sha256', `${taskId} ${type}`).slice(0, 32)}`;

const answered = (task: Task): AnsweredTask => ({
  ...pick(task, TASK),
  request: { ...pick(task.request, REQUEST), api: task.request.api ?? 'unified' },
  price: pick(task.price, PRICE),
  ...(task.attempt ? { attempt: pick(task.attempt, ATTEMPT) } : {}),
});

const pick = <T extends object, K extends keyof T & string>(from: T, members: readonly K[]): Pick<T, K> =>
  Object.fromEntries(
    members.flatMap((member) => (from[member] === undefined ? [] : [[member, from[member]]])),
  ) as Pick<T, K>;
