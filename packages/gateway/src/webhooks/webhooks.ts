import { randomBytes } from 'node:crypto';
import { FetchError } from '../net/fetchError.ts';
import type {
  Delivery,
  DeliveryQuery,
  EndpointChanges,
  Signature,
  WebhookEndpoint,
  WebhookSecret,
  WebhookStore,
} from '../store/webhooks.ts';
import { TEST_EVENT } from '../store/webhooks.ts';
import { invalidRequest, OnetakeError } from '../tasks/errors.ts';
import { newId } from '../tasks/ids.ts';
import type { Clock } from '../time/clock.ts';
import { LEASE_MS } from './claims.ts';
import type { WebhookSender } from './sender.ts';
import { newSecret } from './sign.ts';

/** What callers do with the webhooks of their project. Throws a 404 for what is not theirs. */
export interface Webhooks {
  /** Throws a 400 that names `param` for a URL to which nothing is ever sent. */
  checkUrl(url: string, param: string): void;
  /** Throws a 409 if the project has too many. */
  create(projectId: string, given: NewEndpoint): Promise<{ endpoint: WebhookEndpoint; secret: string }>;
  list(projectId: string): Promise<readonly WebhookEndpoint[]>;
  endpoint(projectId: string, id: string): Promise<WebhookEndpoint>;
  change(projectId: string, id: string, changes: EndpointChanges): Promise<WebhookEndpoint>;
  remove(projectId: string, id: string): Promise<void>;
  /** Without an endpoint: the secret of the project. With the former one only while that is valid. */
  secret(projectId: string, endpoint?: WebhookEndpoint): Promise<WebhookSecret>;
  rotate(projectId: string, endpoint?: WebhookEndpoint): Promise<WebhookSecret>;
  /** Sends a test to an endpoint, also to one that is disabled. Resolves with how that ended. */
  test(endpoint: WebhookEndpoint): Promise<Delivery>;
  deliveries(query: DeliveryQuery): Promise<readonly Delivery[]>;
  delivery(projectId: string, id: string): Promise<Delivery>;
  /** Sends a delivery again, with all its tries. Throws a 409 if that is not possible now. */
  redeliver(projectId: string, id: string): Promise<Delivery>;
}

type NewEndpoint = Pick<WebhookEndpoint, 'url' | 'events' | 'models' | 'description' | 'signature'>;

interface WebhooksParts {
  readonly store: WebhookStore;
  readonly sender: Pick<WebhookSender, 'sendNow'>;
  readonly clock: Clock;
  /** Throws a `FetchError`. */
  readonly checkUrl: (url: string) => void;
}

/** Each is looked at with every event of its project. */
const MOST_ENDPOINTS = 20;
/** How long a secret is valid after it was replaced. Milliseconds. */
const FORMER_MS = 24 * 3_600_000;

export function createWebhooks({ store, sender, clock, checkUrl: check }: WebhooksParts): Webhooks {
  function checkUrl(url: string, param: string): void {
    try {
      check(url);
    } catch (error) {
      if (!(error instanceof FetchError)) throw error;
      throw invalidRequest(`${param} is not valid: ${error.message}.`, param);
    }
  }

  async function endpoint(projectId: string, id: string): Promise<WebhookEndpoint> {
    return (await store.endpoint(projectId, id)) ?? notFound('webhook endpoint', '/v1/webhook_endpoints');
  }

  async function delivery(projectId: string, id: string): Promise<Delivery> {
    return (await store.delivery(projectId, id)) ?? notFound('delivery', '/v1/webhook_deliveries');
  }

  const secret: Webhooks['secret'] = async (projectId, of) => {
    const found = await store.webhookSecret(projectId, of?.id ?? '', () => newSecret(signatureOf(of)));
    const { formerSecret: _, formerUntil = 0, ...present } = found;
    return formerUntil > clock.now() ? found : present;
  };

  return {
    checkUrl,
    endpoint,
    delivery,
    secret,
    async create(projectId, given) {
      checkUrl(given.url, 'url');
      const made = { ...given, id: `whep_${newId()}`, projectId, createdAt: clock.now() };
      const value = newSecret(given.signature);
      if (!(await store.addEndpoint(made, value, MOST_ENDPOINTS))) throw tooMany();
      return { endpoint: made, secret: value };
    },
    list: (projectId) => store.endpoints(projectId),
    async change(projectId, id, changes) {
      if (changes.url !== undefined) checkUrl(changes.url, 'url');
      return (await store.changeEndpoint(projectId, id, changes)) ?? endpoint(projectId, id);
    },
    async remove(projectId, id) {
      if (!(await store.removeEndpoint(projectId, id))) await endpoint(projectId, id);
    },
    rotate: (projectId, of) =>
      store.rotateSecret(projectId, of?.id ?? '', newSecret(signatureOf(of)), clock.now() + FORMER_MS),
    async test(of) {
      const test = testOf(of, clock.now());
      await store.addDelivery(test);
      const outcome = await sender.sendNow({
        delivery: test,
        endpoint: of,
        secret: await secret(of.projectId, of),
      });
      return delivery(of.projectId, test.id).catch(() => ({ ...test, ...outcome }) as Delivery);
    },
    deliveries: (query) => store.deliveries(query),
    async redeliver(projectId, id) {
      const { endpointId } = await delivery(projectId, id);
      const to = endpointId === undefined ? undefined : await endpoint(projectId, endpointId);
      if (to?.disabledReason !== undefined) throw disabled(to);
      const again = await store.redeliver(projectId, id, clock.now());
      if (!again) throw inFlight();
      return again;
    },
  };
}

const signatureOf = (endpoint: WebhookEndpoint | undefined): Signature => endpoint?.signature ?? 'hmac';

function testOf({ id, projectId, url }: WebhookEndpoint, now: number) {
  return {
    id: `whd_${now.toString(16).padStart(12, '0')}${randomBytes(10).toString('hex')}`,
    eventId: `evt_${newId()}`,
    type: TEST_EVENT,
    projectId,
    endpointId: id,
    lane: id,
    url,
    state: 'pending',
    tries: 0,
    nextAt: now,
    leasedUntil: now + LEASE_MS,
    createdAt: now,
  } as const satisfies Delivery;
}

function notFound(what: string, list: string): never {
  throw new OnetakeError(
    'not_found',
    404,
    `Your project has no ${what} with this id; GET ${list} lists them.`,
  );
}

const tooMany = (): OnetakeError =>
  new OnetakeError(
    'too_many_endpoints',
    409,
    `A project has at most ${MOST_ENDPOINTS} webhook endpoints; delete one, or use webhook_url for single tasks.`,
  );

const disabled = ({ id }: WebhookEndpoint): OnetakeError =>
  new OnetakeError(
    'endpoint_disabled',
    409,
    `${id} is disabled; enable it first: PATCH it with {"status": "enabled"}.`,
  );

const inFlight = (): OnetakeError =>
  new OnetakeError('in_flight', 409, 'The delivery is being sent at this moment; look at it again shortly.', {
    retryAfterSeconds: 5,
  });
