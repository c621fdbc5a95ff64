import { z } from 'zod';
import { createFairLimit } from '../../net/fairLimit.ts';
import {
  type EndpointChanges,
  SIGNATURES,
  type Signature,
  type WebhookEndpoint,
  type WebhookSecret,
} from '../../store/webhooks.ts';
import { invalidRequest } from '../../tasks/errors.ts';
import { EVENT_TYPES } from '../../tasks/events.ts';
import { publicKeyOf } from '../../webhooks/sign.ts';
import { type ApiContext, type App, keyOf } from '../context.ts';
import { hangUpSignal } from '../http/hangUp.ts';
import { DeliveryAnswer, EndpointView, ERRORS, ErrorAnswer, SecretView } from '../schemas.ts';
import { deliveryView } from '../views/delivery.ts';

const TAGS = ['Webhooks'];
const URL_LENGTH = 2048;
/** Tests at a time, over all endpoints and to one of them. */
const TESTS = { total: 32, perTenant: 2 };

const fields = {
  url: z.string().max(URL_LENGTH).describe('A public http or https URL'),
  events: z
    .array(z.enum(EVENT_TYPES))
    .min(1)
    .nullish()
    .describe('Only events of these types; null or missing: all'),
  models: z
    .array(z.string())
    .min(1)
    .max(100)
    .nullish()
    .describe('Only tasks of these models; null or missing: of all'),
  description: z.string().max(500).nullish(),
};
const CreateBody = z.strictObject({
  ...fields,
  signature: z
    .enum(SIGNATURES)
    .default('hmac')
    .describe(
      '`hmac`: with a secret that both sides know. `ed25519`: with a key of which the receiver needs only the public part',
    ),
});
const ChangeBody = z.strictObject({
  ...fields,
  url: fields.url.optional(),
  status: z
    .enum(['enabled', 'disabled'])
    .optional()
    .describe('Nothing is sent to a disabled endpoint, and what is pending will not be'),
});
const Params = z.object({ id: z.string() });

/** `/v1/webhook_endpoints`: where the events of a project are announced, and the secrets that sign them. */
export function webhookEndpointRoutes(app: App, context: ApiContext): void {
  collection(app, context);
  single(app, context);
  secrets(app, context);
  test(app, context);
}

function collection(app: App, { webhooks, catalogue }: ApiContext): void {
  app.post(
    '/v1/webhook_endpoints',
    {
      config: { scope: 'generate' },
      schema: {
        operationId: 'createWebhookEndpoint',
        summary: 'Create a webhook endpoint',
        description: 'Events of the project are announced there from now on, signed as Standard Webhooks.',
        tags: TAGS,
        body: CreateBody,
        response: {
          201: EndpointView.extend(SecretView.pick({ secret: true, public_key: true }).shape),
          ...ERRORS,
          409: ErrorAnswer.describe('The project has too many endpoints'),
        },
      },
    },
    async (request, reply) => {
      const key = keyOf(request);
      const { url, signature, events, models, description } = request.body;
      const { endpoint, secret } = await webhooks.create(key.projectId, {
        url,
        signature,
        ...(events ? { events } : {}),
        ...(models ? { models: knownModels(models, catalogue) } : {}),
        ...(description ? { description } : {}),
      });
      return reply
        .code(201)
        .header('cache-control', 'no-store')
        .send({ ...endpointView(endpoint), ...shown(secret, signature) });
    },
  );

  app.get(
    '/v1/webhook_endpoints',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'listWebhookEndpoints',
        summary: 'List webhook endpoints',
        tags: TAGS,
        response: { 200: z.object({ object: z.literal('list'), data: z.array(EndpointView) }), ...ERRORS },
      },
    },
    async (request) => {
      const data = (await webhooks.list(keyOf(request).projectId)).map(endpointView);
      return { object: 'list' as const, data };
    },
  );
}

function single(app: App, { webhooks, catalogue }: ApiContext): void {
  app.get(
    '/v1/webhook_endpoints/:id',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'getWebhookEndpoint',
        summary: 'Get a webhook endpoint',
        tags: TAGS,
        params: Params,
        response: { 200: EndpointView, ...ERRORS },
      },
    },
    async (request) => endpointView(await webhooks.endpoint(keyOf(request).projectId, request.params.id)),
  );

  app.patch(
    '/v1/webhook_endpoints/:id',
    {
      config: { scope: 'generate' },
      schema: {
        operationId: 'updateWebhookEndpoint',
        summary: 'Update a webhook endpoint',
        description: 'Changes what the body has. Deliveries that are pending go to the new URL.',
        tags: TAGS,
        params: Params,
        body: ChangeBody,
        response: { 200: EndpointView, ...ERRORS },
      },
    },
    async (request) => {
      const key = keyOf(request);
      const { url, events, models, description, status } = request.body;
      const changes: EndpointChanges = {
        ...(url === undefined ? {} : { url }),
        ...(events === undefined ? {} : { events: events ?? undefined }),
        ...(models === undefined ? {} : { models: models ? knownModels(models, catalogue) : undefined }),
        ...(description === undefined ? {} : { description: description ?? undefined }),
        ...(status === undefined ? {} : { disabledReason: status === 'enabled' ? undefined : 'requested' }),
      };
      return endpointView(await webhooks.change(key.projectId, request.params.id, changes));
    },
  );

  app.delete(
    '/v1/webhook_endpoints/:id',
    {
      config: { scope: 'generate' },
      schema: {
        operationId: 'deleteWebhookEndpoint',
        summary: 'Delete a webhook endpoint',
        description: 'With its secret and its deliveries, also those that are pending.',
        tags: TAGS,
        params: Params,
        response: { 200: z.object({ id: z.string(), deleted: z.literal(true) }), ...ERRORS },
      },
    },
    async (request) => {
      const key = keyOf(request);
      await webhooks.remove(key.projectId, request.params.id);
      return { id: request.params.id, deleted: true as const };
    },
  );
}

/** The secrets of endpoints and that of the project, to be read and replaced. */
function secrets(app: App, { webhooks }: ApiContext): void {
  const ROTATES =
    'From now on messages are signed with the new one, and for 24 hours with the one before as well, so that receivers can change over.';
  app.get(
    '/v1/webhook_endpoints/:id/secret',
    {
      config: { scope: 'generate' },
      schema: {
        operationId: 'getWebhookEndpointSecret',
        summary: 'Read the secret of a webhook endpoint',
        tags: TAGS,
        params: Params,
        response: { 200: SecretView, ...ERRORS },
      },
    },
    async (request, reply) => {
      const key = keyOf(request);
      const endpoint = await webhooks.endpoint(key.projectId, request.params.id);
      return reply
        .header('cache-control', 'no-store')
        .send(secretView(await webhooks.secret(key.projectId, endpoint), endpoint.signature));
    },
  );

  app.post(
    '/v1/webhook_endpoints/:id/rotate',
    {
      config: { scope: 'generate' },
      schema: {
        operationId: 'rotateWebhookEndpointSecret',
        summary: 'Replace the secret of a webhook endpoint',
        description: ROTATES,
        tags: TAGS,
        params: Params,
        response: { 200: SecretView, ...ERRORS },
      },
    },
    async (request, reply) => {
      const key = keyOf(request);
      const endpoint = await webhooks.endpoint(key.projectId, request.params.id);
      return reply
        .header('cache-control', 'no-store')
        .send(secretView(await webhooks.rotate(key.projectId, endpoint), endpoint.signature));
    },
  );

  app.get(
    '/v1/webhook_secret',
    {
      config: { scope: 'generate' },
      schema: {
        operationId: 'getWebhookSecret',
        summary: "Read the project's webhook secret",
        description: 'It signs what is sent to the `webhook_url` of tasks.',
        tags: TAGS,
        response: { 200: SecretView, ...ERRORS },
      },
    },
    async (request, reply) => {
      const key = keyOf(request);
      return reply
        .header('cache-control', 'no-store')
        .send(secretView(await webhooks.secret(key.projectId), 'hmac'));
    },
  );

  app.post(
    '/v1/webhook_secret/rotate',
    {
      config: { scope: 'generate' },
      schema: {
        operationId: 'rotateWebhookSecret',
        summary: "Replace the project's webhook secret",
        description: ROTATES,
        tags: TAGS,
        response: { 200: SecretView, ...ERRORS },
      },
    },
    async (request, reply) => {
      const key = keyOf(request);
      return reply
        .header('cache-control', 'no-store')
        .send(secretView(await webhooks.rotate(key.projectId), 'hmac'));
    },
  );
}

function test(app: App, { webhooks }: ApiContext): void {
  const tests = createFairLimit(TESTS);
  app.post(
    '/v1/webhook_endpoints/:id/test',
    {
      config: { scope: 'generate' },
      schema: {
        operationId: 'testWebhookEndpoint',
        summary: 'Send a test event',
        description:
          'Sends a `webhook.test` as other events are sent, but once, and also to an endpoint that is disabled. Answers when that has ended, with the delivery.',
        tags: TAGS,
        params: Params,
        response: { 200: DeliveryAnswer, ...ERRORS },
      },
    },
    async (request, reply) => {
      const key = keyOf(request);
      const endpoint = await webhooks.endpoint(key.projectId, request.params.id);
      const release = await tests.acquire(endpoint.id, 1, hangUpSignal(reply));
      try {
        return deliveryView(await webhooks.test(endpoint));
      } finally {
        release();
      }
    },
  );
}

/** The ids of models by id or alias. Throws a 400 for one that no task can have. */
function knownModels(given: readonly string[], catalogue: ApiContext['catalogue']): string[] {
  return given.map((id) => {
    const model = catalogue.get(id);
    if (!model)
      throw invalidRequest(
        `models is not valid: there is no model "${id}"; GET /v1/models lists the ids.`,
        'models',
      );
    return model.id;
  });
}

const seconds = (ms: number): number => Math.floor(ms / 1000);

function endpointView(endpoint: WebhookEndpoint): z.infer<typeof EndpointView> {
  const { id, url, events, models, signature, description, disabledReason, createdAt } = endpoint;
  return {
    id,
    url,
    ...(events ? { events: [...events] } : {}),
    ...(models ? { models: [...models] } : {}),
    signature,
    status: disabledReason === undefined ? 'enabled' : 'disabled',
    ...(disabledReason === undefined ? {} : { disabled_reason: disabledReason }),
    ...(description === undefined ? {} : { description }),
    created_at: seconds(createdAt),
  };
}

/** What a receiver needs of a secret: the private key of a pair stays here. */
const shown = (secret: string, signature: Signature) =>
  signature === 'hmac' ? { secret } : { public_key: publicKeyOf(secret) };

function secretView(
  { secret, formerSecret, formerUntil }: WebhookSecret,
  signature: Signature,
): z.infer<typeof SecretView> {
  return {
    signature,
    ...shown(secret, signature),
    ...(formerSecret !== undefined && formerUntil !== undefined
      ? { former: { ...shown(formerSecret, signature), valid_until: seconds(formerUntil) } }
      : {}),
  };
}
