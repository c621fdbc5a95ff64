import type { EventType, TaskEvent } from '../tasks/events.ts';
import type { Task } from '../tasks/task.ts';

/** How what is sent to an endpoint is signed: with a shared secret, or with a private key whose public one anybody may know. */
export const SIGNATURES = ['hmac', 'ed25519'] as const;
export type Signature = (typeof SIGNATURES)[number];

/** Why nothing is sent to an endpoint: the caller wanted that, or it answered 410. */
export const DISABLED_REASONS = ['requested', 'gone'] as const;
export type DisabledReason = (typeof DISABLED_REASONS)[number];

/** Where events of a project are announced. */
export interface WebhookEndpoint {
  /** `whep_` and 32 hex digits. */
  readonly id: string;
  readonly projectId: string;
  readonly url: string;
  /** Only these; by default all. */
  readonly events?: readonly EventType[];
  /** Only tasks of these models; by default of all. */
  readonly models?: readonly string[];
  readonly signature: Signature;
  readonly description?: string;
  /** Missing while it is enabled. */
  readonly disabledReason?: DisabledReason;
  readonly createdAt: number;
}

/** The `error` of deliveries that ended because their endpoint was disabled. */
export const DISABLED = 'endpoint_disabled';

/** What a change of an endpoint may contain; `undefined` removes a member. */
export type EndpointChanges = {
  readonly [K in 'url' | 'events' | 'models' | 'description' | 'disabledReason']?:
    | WebhookEndpoint[K]
    | undefined;
};

/** The secret of an endpoint, or of a project for the `webhook_url` of its tasks. */
export interface WebhookSecret {
  readonly projectId: string;
  /** Empty for that of the project. */
  readonly endpointId: string;
  readonly secret: string;
  /** What was valid before the last rotation, and signs as well until then (milliseconds UTC). */
  readonly formerSecret?: string;
  readonly formerUntil?: number;
}

export const TEST_EVENT = 'webhook.test';

export const DELIVERY_STATES = ['pending', 'delivered', 'dead'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** An event that is to be announced at one place, or was. */
export interface Delivery {
  /** `whd_` and 32 hex digits, the first of which are the time of the event: ids sort by time. */
  readonly id: string;
  readonly eventId: string;
  readonly type: EventType | typeof TEST_EVENT;
  readonly projectId: string;
  /** Missing for a test. */
  readonly taskId?: string;
  /** Missing if it goes to the `webhook_url` of the task. */
  readonly endpointId?: string;
  /** What waits for each other: the id of the endpoint, or the project and host of a `webhook_url`. */
  readonly lane: string;
  /** As of the last try. */
  readonly url: string;
  /** `dead`: it is not tried again by itself. */
  readonly state: DeliveryState;
  /** Tries that have ended. */
  readonly tries: number;
  /** When the next try is due. Milliseconds UTC. */
  readonly nextAt: number;
  /** A node is sending it. If the node does not say how that ended, another one sends it from then on. */
  readonly leasedUntil?: number;
  /** The last try: when, the HTTP status, why it failed, how long it took, and the first of what was answered. */
  readonly triedAt?: number;
  readonly status?: number;
  readonly error?: string;
  readonly latencyMs?: number;
  readonly answer?: string;
  /** When the event happened. */
  readonly createdAt: number;
}

/** Deliveries to the `webhook_url` of tasks wait for each other if they go from one project to one host. */
const laneOf = (projectId: string, url: string): string => `${projectId} ${new URL(url).host}`;

/** Where the `webhook_url` of a task leads for an event: it is told of the end of the task. */
export function webhookOf(
  { type }: TaskEvent,
  { projectId, request: { webhookUrl: url } }: Task,
): { readonly url: string; readonly lane: string } | undefined {
  return url === undefined || type === 'video.started' ? undefined : { url, lane: laneOf(projectId, url) };
}

/** A delivery that this node has to send. */
export interface ClaimedDelivery {
  readonly delivery: Delivery & { readonly leasedUntil: number };
  /** Missing if it was deleted, or if there is none. */
  readonly endpoint?: WebhookEndpoint;
  /** Missing if the project has none yet. */
  readonly secret?: WebhookSecret;
  /** Missing for a test, and if the event was erased. */
  readonly event?: TaskEvent;
  /** Why one of these cannot be read from what is stored; then all are missing. */
  readonly unreadable?: string;
}

/** What a node has taken. */
export interface ClaimedDeliveries {
  readonly claimed: readonly ClaimedDelivery[];
  /** Some that the claim had room for were left to another node, which was taking them: others may be due in their stead. */
  readonly skippedSome: boolean;
}

/** Which deliveries a node takes. */
export interface DeliveryClaim {
  /** Milliseconds UTC. */
  readonly now: number;
  readonly leaseMs: number;
  readonly limit: number;
  /** At most as many of each lane and of each project. */
  readonly perLane: number;
  readonly perProject: number;
  /** The same for single ones. */
  readonly inLane: Readonly<Record<string, number>>;
  readonly inProject: Readonly<Record<string, number>>;
}

/** How a try ended. What is undefined is unknown, whatever the try before it found. */
export interface DeliveryOutcome {
  readonly state: DeliveryState;
  readonly tries: number;
  readonly nextAt: number;
  readonly triedAt: number | undefined;
  readonly status: number | undefined;
  readonly error: string | undefined;
  readonly latencyMs: number | undefined;
  readonly answer: string | undefined;
}

export interface DeliveryQuery {
  readonly projectId: string;
  readonly limit: number;
  /** Only those that follow this one in the list. */
  readonly after?: string | undefined;
  readonly state?: DeliveryState | undefined;
  readonly endpointId?: string | undefined;
  readonly taskId?: string | undefined;
}

/**
 * Endpoints, their secrets, and deliveries. `TaskStore` writes the deliveries of an event together with it, and erases those of a deleted
 * task; `EventStore` keeps an event while a delivery of it is pending, and removes its deliveries with it.
 */
export interface WebhookStore {
  /** Writes an endpoint with its secret. False if its project has `most` of them; then nothing was written. */
  addEndpoint(endpoint: WebhookEndpoint, secret: string, most: number): Promise<boolean>;
  /** The endpoints of a project in the order of their creation. */
  endpoints(projectId: string): Promise<readonly WebhookEndpoint[]>;
  endpoint(projectId: string, id: string): Promise<WebhookEndpoint | undefined>;
  /**
   * Resolves with the endpoint as it is afterwards; undefined if there is none, or if it has another URL than `only.url`. If it is disabled
   * then, its pending deliveries are dead, but for those that are being sent.
   */
  changeEndpoint(
    projectId: string,
    id: string,
    changes: EndpointChanges,
    only?: { readonly url: string },
  ): Promise<WebhookEndpoint | undefined>;
  /** Removes an endpoint with its secret and its deliveries. False if there is none. */
  removeEndpoint(projectId: string, id: string): Promise<boolean>;
  /** The secret of an endpoint, or with an empty id that of the project. `make` creates it the first time. */
  webhookSecret(projectId: string, endpointId: string, make: () => string): Promise<WebhookSecret>;
  /** Replaces a secret. The one before stays valid until `formerUntil`; the one before that does not. */
  rotateSecret(
    projectId: string,
    endpointId: string,
    secret: string,
    formerUntil: number,
  ): Promise<WebhookSecret>;
  addDelivery(delivery: Delivery): Promise<void>;
  /** Takes deliveries that are due, the earliest first, so that no other node takes them before their lease has ended. */
  claimDeliveries(claim: DeliveryClaim): Promise<ClaimedDeliveries>;
  /** Writes how a try ended, and ends its lease. False if the lease was lost or the delivery is gone; then nothing was written. */
  finishDelivery(delivery: ClaimedDelivery['delivery'], outcome: DeliveryOutcome): Promise<boolean>;
  /** The newest first. */
  deliveries(query: DeliveryQuery): Promise<readonly Delivery[]>;
  delivery(projectId: string, id: string): Promise<Delivery | undefined>;
  /** Makes a delivery pending again from its first try on, due at `now`. Undefined if there is none, or it is being sent. */
  redeliver(projectId: string, id: string, now: number): Promise<Delivery | undefined>;
  /** How many deliveries are pending. */
  pendingDeliveries(): Promise<number>;
  /** Calls `listener` when this node has written a delivery that is due. It must not throw. Returns a function that unsubscribes. */
  onDelivery(listener: () => void): () => void;
}
