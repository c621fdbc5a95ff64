import { FetchError } from '../net/fetchError.ts';
import type { GuardedFetch } from '../net/guardedFetch.ts';
import type { Log } from '../observability/log.ts';
import {
  type ClaimedDelivery,
  type Delivery,
  type DeliveryOutcome,
  DISABLED,
  TEST_EVENT,
  type WebhookSecret,
} from '../store/webhooks.ts';
import type { TaskEvent } from '../tasks/events.ts';
import { bounded } from '../tasks/text.ts';
import { type Clock, type MonotonicClock, msBetween } from '../time/clock.ts';
import { webhookRequest } from './message.ts';
import { pauseAfter } from './schedule.ts';
import { newSecret, validSecrets } from './sign.ts';

/** How much of an answer is kept. Bytes. */
const ANSWER_BYTES = 1024;
/** The answer of a receiver that wants no more messages. */
const GONE = 410;

export interface AttemptParts {
  readonly fetch: GuardedFetch;
  readonly clock: Clock;
  readonly timers: MonotonicClock;
  readonly log: Pick<Log, 'warn'>;
  /** The body of an event: the answer about its task as of then, with links that are signed now. */
  readonly render: (event: TaskEvent) => Promise<object>;
  /** The secret of a project, which is made with its first use. */
  readonly projectSecret: (projectId: string, make: () => string) => Promise<WebhookSecret>;
  readonly timeoutMs: number;
  readonly random: () => number;
}

/** What is known after a try. */
interface Answered {
  readonly status?: number;
  readonly error?: string;
  readonly answer?: string;
  readonly retryAfter?: string | undefined;
}

export type Attempt = (claimed: ClaimedDelivery, signal: AbortSignal) => Promise<DeliveryOutcome>;

/** Sends a delivery once. Throws only if its signal is aborted: whatever else goes wrong is a failed try. */
export function createAttempt(parts: AttemptParts): Attempt {
  const { clock, timers } = parts;

  return async (claimed, signal) => {
    const { delivery } = claimed;
    const hindrance = hindranceOf(claimed);
    if (hindrance !== undefined) return { ...asBefore(delivery), state: 'dead', error: hindrance };
    const triedAt = clock.now();
    const begun = timers.monotonic();
    const { status, error, answer, retryAfter } = await send(parts, claimed, signal);
    const tries = delivery.tries + 1;
    const tried = {
      tries,
      triedAt,
      status,
      error,
      answer,
      latencyMs: Math.round(msBetween(begun, timers.monotonic())),
    };
    if (error === undefined) return { ...tried, state: 'delivered', nextAt: delivery.nextAt };
    const now = clock.now();
    // A test says how it went, and a receiver that is gone stays so.
    const isLast = delivery.type === TEST_EVENT || status === GONE;
    const pause = isLast ? undefined : pauseAfter(tries, { retryAfter, now, random: parts.random });
    if (pause === undefined) return { ...tried, state: 'dead', nextAt: delivery.nextAt };
    return { ...tried, state: 'pending', nextAt: now + pause };
  };
}

/** The outcome of a try that was not made. */
export const asBefore = (delivery: Delivery): DeliveryOutcome => {
  const { state, tries, nextAt, triedAt, status, error, latencyMs, answer } = delivery;
  return { state, tries, nextAt, triedAt, status, error, latencyMs, answer };
};

/** Why a delivery cannot be sent any more. */
function hindranceOf({ delivery, endpoint, event, unreadable }: ClaimedDelivery): string | undefined {
  if (unreadable !== undefined) return undefined;
  if (delivery.endpointId !== undefined && !endpoint) return 'endpoint_deleted';
  if (delivery.type === TEST_EVENT) return undefined;
  if (endpoint?.disabledReason !== undefined) return DISABLED;
  return event ? undefined : 'event_gone';
}

async function send(parts: AttemptParts, claimed: ClaimedDelivery, signal: AbortSignal): Promise<Answered> {
  const { delivery } = claimed;
  try {
    const message = await requestOf(parts, claimed);
    const {
      status,
      headers,
      body: answer,
    } = await parts.fetch(delivery.url, {
      ...message,
      maxBytes: ANSWER_BYTES,
      anyAnswer: true,
      timeoutMs: parts.timeoutMs,
      signal,
    });
    const text = bounded(answer.toString(), ANSWER_BYTES);
    const error = errorOf(status);
    return {
      status,
      ...(text === '' ? {} : { answer: text }),
      ...(error === undefined ? {} : { error, retryAfter: headers['retry-after'] }),
    };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FetchError) return { error: error.problem };
    const facts = {
      event: 'webhook.not_sent',
      delivery: delivery.id,
      task: delivery.taskId,
      endpoint: delivery.endpointId,
    } as const;
    parts.log.warn({ ...facts, err: error }, 'a webhook cannot be made or sent; see its error');
    return { error: 'not_sent' };
  }
}

/** What is posted: the body, and the headers that sign it. Throws if a part of it cannot be read or made. */
async function requestOf(parts: AttemptParts, claimed: ClaimedDelivery) {
  const { delivery, unreadable } = claimed;
  if (unreadable !== undefined) throw new Error(`what is stored of it cannot be read: ${unreadable}`);
  const body = await bodyOf(parts, claimed);
  const secret = claimed.secret ?? (await parts.projectSecret(delivery.projectId, () => newSecret('hmac')));
  const now = parts.clock.now();
  return webhookRequest({ id: delivery.eventId, body }, validSecrets(secret, now), now);
}

function errorOf(status: number): string | undefined {
  if (status >= 200 && status <= 299) return undefined;
  if (status === GONE) return 'gone';
  return status >= 300 && status <= 399 ? 'redirected' : 'refused';
}

const bodyOf = async ({ render }: AttemptParts, { delivery, event }: ClaimedDelivery): Promise<object> =>
  event
    ? render(event)
    : {
        id: delivery.eventId,
        type: delivery.type,
        timestamp: new Date(delivery.createdAt).toISOString(),
        data: { endpoint_id: delivery.endpointId },
      };
