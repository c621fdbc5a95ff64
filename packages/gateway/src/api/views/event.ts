import type { LoggedEvent } from '../../store/store.ts';
import type { EventType, TaskEvent } from '../../tasks/events.ts';
import type { Task } from '../../tasks/task.ts';
import type { Clock } from '../../time/clock.ts';
import { webhookBody } from '../../webhooks/message.ts';
import { taskView, urlsOf, type ViewParts } from './task.ts';

/** An event as it is sent to every client that wants it. */
export interface EventFrame {
  readonly id: string;
  readonly type: EventType;
  readonly model: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** The server-sent event. */
  readonly bytes: Buffer;
}

/** An event on the wire: the answer of a query as of the event, with links that are signed now. */
async function eventView({ id, type, at, task }: TaskEvent, parts: ViewParts, now: number) {
  const data = taskView(task, {}, now, await urlsOf(task, parts));
  const { api } = task.request;
  return {
    id,
    type,
    timestamp: new Date(at).toISOString(),
    data,
    ...(api === 'openai' ? { api } : {}),
  };
}

interface AnnouncementParts extends ViewParts {
  readonly clock: Clock;
  readonly task: (id: string) => Promise<Task | undefined>;
}

/** Makes the body of a webhook. */
export const createAnnouncement =
  (parts: AnnouncementParts) =>
  async (event: TaskEvent): Promise<object> => {
    const { request } = event.task;
    // Nodes of an earlier version, which may still run, leave it out. Then the task says.
    const api = request.api ?? (await parts.task(event.taskId))?.request.api ?? 'unified';
    const task = { ...event.task, request: { ...request, api } };
    return webhookBody(await eventView({ ...event, task }, parts, parts.clock.now()));
  };

export const createFrames =
  (parts: ViewParts & { readonly clock: Clock }) =>
  async ({ event, cursor }: LoggedEvent): Promise<EventFrame> => {
    const { id, type, task } = event;
    const { model, metadata = {} } = task.request;
    const data = JSON.stringify(await eventView(event, parts, parts.clock.now()));
    return { id, type, model, metadata, bytes: Buffer.from(serverSent(type, cursor, data)) };
  };

/** A server-sent event whose `data` is JSON, which has no line breaks. */
export const serverSent = (event: string, id: string, data: string): string =>
  `event: ${event}\nid: ${id}\ndata: ${data}\n\n`;

/** Moves the cursor of a client. Without data there is no event. */
export const cursorOnly = (id: string): string => `:\nid: ${id}\n\n`;
