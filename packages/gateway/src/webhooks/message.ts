import { signedHeaders } from './sign.ts';

/** An event as the stream of events tells it. */
interface ToldEvent {
  readonly id: string;
  readonly type: string;
  readonly timestamp: string;
  readonly data: { readonly task_id: string };
  /** Whose API the task was made through, if not the unified one. */
  readonly api?: 'openai' | undefined;
}

/**
 * What a webhook says of an event: the event, or for a task of OpenAI's API what that announces. It has no event for a start, so that of the
 * unified API is sent. https://platform.openai.com/docs/api-reference/webhook-events/video/completed
 */
export function webhookBody({ api, ...event }: ToldEvent): { readonly id: string; readonly type: string } {
  const { id, type, timestamp, data } = event;
  if (api !== 'openai' || type === 'video.started') return event;
  const announced = {
    id,
    object: 'event',
    created_at: Math.floor(Date.parse(timestamp) / 1000),
    type: type === 'video.succeeded' ? 'video.completed' : type,
    data: { id: data.task_id },
  };
  return announced;
}

/** The request of a webhook, signed at `now` (milliseconds UTC) with each of the secrets. */
export function webhookRequest(
  { id, body }: { readonly id: string; readonly body: object },
  secrets: readonly string[],
  now: number,
) {
  const text = JSON.stringify(body);
  const signed = signedHeaders({ id, at: Math.floor(now / 1000), body: text }, secrets);
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...signed },
    body: text,
  } as const;
}
