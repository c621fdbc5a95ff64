import { WebhookError } from './errors.ts';
import type { Task } from './types.ts';

/** An event of a task. */
export interface TaskEvent {
  /** The same for an event that arrives again, be it by a webhook or by the stream of events. */
  readonly id: string;
  readonly type: 'video.started' | 'video.succeeded' | 'video.failed';
  /** When it happened, in ISO 8601. */
  readonly timestamp: string;
  /** The task as of the event. */
  readonly data: Task;
  /** Only in the stream of events: the video was made through OpenAI's API, so that its webhook is an `OpenAIEvent`. */
  readonly api?: 'openai';
}

/** The end of a video that was made through OpenAI's API, in the words of that API. */
export interface OpenAIEvent {
  readonly id: string;
  readonly object: 'event';
  readonly type: 'video.completed' | 'video.failed';
  /** When it happened, in seconds since 1970. */
  readonly created_at: number;
  /** The id of the video, which is also that of its task. */
  readonly data: { readonly id: string };
}

/** The test of a webhook endpoint. */
export interface EndpointTestEvent {
  readonly id: string;
  readonly type: 'webhook.test';
  /** In ISO 8601. */
  readonly timestamp: string;
  readonly data: { readonly endpoint_id: string };
}

/** What a webhook announces: `'task_id' in event.data`, or another of these fields, tells which it is. */
export type WebhookEvent = TaskEvent | OpenAIEvent | EndpointTestEvent;

export interface VerifyOptions {
  /** How far the time of the signature may be from now, seconds. 300 by default. */
  readonly tolerance?: number | undefined;
  /** Milliseconds. `Date.now()` by default. */
  readonly now?: number | undefined;
}

/** As a `Request` has them, or as Node's servers and frameworks do, whose names are in lower case. */
type WebhookHeaders = Headers | Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * Checks that a webhook is genuine and recent, and returns what it announces: Standard Webhooks 1.0 with HMAC-SHA256.
 * `payload` is the body as it was received, not parsed and serialised again. While a secret is rotated, give both.
 * The same event may arrive more than once, with the same `webhook-id`. Throws a `WebhookError` if it is not to be trusted.
 */
export async function verifyWebhook(
  payload: string | Uint8Array,
  headers: WebhookHeaders,
  secrets: string | readonly string[],
  { tolerance = 300, now = Date.now() }: VerifyOptions = {},
): Promise<WebhookEvent> {
  const id = required(headers, 'webhook-id');
  const timestamp = required(headers, 'webhook-timestamp');
  const signatures = required(headers, 'webhook-signature').split(' ');
  if (!/^\d+$/.test(timestamp)) throw new WebhookError('webhook-timestamp is no number.');
  if (Math.abs(now / 1000 - Number(timestamp)) > tolerance)
    throw new WebhookError(`webhook-timestamp is more than ${tolerance} s from the time here.`);

  const text = new TextEncoder();
  const body = typeof payload === 'string' ? text.encode(payload) : payload;
  const head = text.encode(`${id}.${timestamp}.`);
  const signed = new Uint8Array(head.length + body.length);
  signed.set(head);
  signed.set(body, head.length);

  for (const key of await Promise.all([secrets].flat().map(importSecret)))
    for (const signature of signatures) {
      const bytes = signature.startsWith('v1,') ? fromBase64(signature.slice(3)) : undefined;
      // Compares in constant time.
      if (bytes && (await crypto.subtle.verify('HMAC', key, bytes, signed))) return eventOf(body);
    }
  throw new WebhookError('No signature of the webhook was made with one of the secrets.');
}

function required(headers: WebhookHeaders, name: string): string {
  const value = headers instanceof Headers ? headers.get(name) : headers[name];
  if (typeof value !== 'string' || value === '') throw new WebhookError(`The webhook has no ${name}.`);
  return value;
}

function importSecret(secret: string) {
  const bytes = fromBase64(secret.replace(/^whsec_/, ''));
  if (!bytes || bytes.length === 0) throw new TypeError('A webhook secret is whsec_ and base64.');
  return crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']);
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

function eventOf(body: Uint8Array): WebhookEvent {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch (cause) {
    throw new WebhookError('The body of the webhook is not JSON.', { cause });
  }
}
