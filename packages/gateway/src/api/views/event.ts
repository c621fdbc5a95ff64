import type { LoggedEvent } from '../../store/store.ts';
import type { EventType, TaskEvent } from '../../tasks/events.ts';
import type { Clock } from '../../time/clock.ts';
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
  return { id, type, timestamp: new Date(at).toISOString(), data };
}

/**
 * The body of a webhook: the event, or for a task of OpenAI's API what that announces. It has no event for a start, so that of the
 * unified API is sent. https://platform.openai.com/docs/api-reference/webhook-events/video/completed
 */
export async function webhookBody(event: TaskEvent, parts: ViewParts, now: number): Promise<object> {
  const { id, type, at, taskId, task } = event;
  if (task.request.api !== 'openai' || type === 'video.started') return eventView(event, parts, now);
  return {
    id,
    object: 'event',
    created_at: Math.floor(at / 1000),
    type: type === 'video.succeeded' ? 'video.completed' : type,
    data: { id: taskId },
  };
}

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
