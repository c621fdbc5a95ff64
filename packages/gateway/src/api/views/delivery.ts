import type { z } from 'zod';
import type { Delivery } from '../../store/webhooks.ts';
import type { DeliveryAnswer } from '../schemas.ts';

/** A delivery on the wire. */
export function deliveryView(delivery: Delivery): z.infer<typeof DeliveryAnswer> {
  const { id, eventId, type, taskId, endpointId, url, state, tries, nextAt, createdAt } = delivery;
  return {
    id,
    event_id: eventId,
    type,
    ...(endpointId === undefined ? {} : { endpoint_id: endpointId }),
    ...(taskId === undefined ? {} : { task_id: taskId }),
    url,
    state,
    tries,
    ...(state === 'pending' ? { next_try_at: seconds(nextAt) } : {}),
    ...lastTry(delivery),
    created_at: seconds(createdAt),
  };
}

/** What is known of the last try. A delivery that ended without one has an error alone. */
function lastTry({ triedAt, status, error, latencyMs, answer }: Delivery) {
  return {
    ...(triedAt === undefined ? {} : { tried_at: seconds(triedAt) }),
    ...(status === undefined ? {} : { status }),
    ...(error === undefined ? {} : { error }),
    ...(latencyMs === undefined ? {} : { latency_ms: latencyMs }),
    ...(answer === undefined ? {} : { answer }),
  };
}

const seconds = (ms: number): number => Math.floor(ms / 1000);
