import { z } from 'zod';
import { DELIVERY_STATES } from '../../store/webhooks.ts';
import { type ApiContext, type App, keyOf } from '../context.ts';
import { DeliveryAnswer, ERRORS, ErrorAnswer, queryNumber, queryText } from '../schemas.ts';
import { deliveryView } from '../views/delivery.ts';

const ListQuery = z.object({
  limit: queryNumber({ min: 1, max: 100, example: 20, whole: true }).default(20),
  after: queryText('the id of a delivery', 'whd_…')
    .optional()
    .describe('The page begins after it (`next_cursor` of the previous page)'),
  state: z.enum(DELIVERY_STATES).optional(),
  endpoint_id: queryText('the id of an endpoint', 'whep_…').optional(),
  task_id: queryText('the id of a task', 'video_…').optional(),
});
const Params = z.object({ id: z.string() });

/** `/v1/webhook_deliveries`: what was announced, and what was answered. */
export function webhookDeliveryRoutes(app: App, { webhooks }: ApiContext): void {
  app.get(
    '/v1/webhook_deliveries',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'listWebhookDeliveries',
        summary: 'List webhook deliveries',
        description: 'Newest first. They are kept as long as their events.',
        tags: ['Webhooks'],
        querystring: ListQuery,
        response: {
          200: z.object({
            object: z.literal('list'),
            data: z.array(DeliveryAnswer),
            has_more: z.boolean(),
            next_cursor: z.string().optional().describe('Pass it as `after` to get the next page'),
          }),
          ...ERRORS,
        },
      },
    },
    async (request) => {
      const { limit, after, state, endpoint_id: endpointId, task_id: taskId } = request.query;
      const { projectId } = keyOf(request);
      // One more than asked for shows whether there are more.
      const query = { projectId, limit: limit + 1, after, state, endpointId, taskId };
      const found = await webhooks.deliveries(query);
      const page = found.slice(0, limit);
      const hasMore = found.length > limit;
      const last = page.at(-1);
      return {
        object: 'list' as const,
        data: page.map(deliveryView),
        has_more: hasMore,
        ...(hasMore && last ? { next_cursor: last.id } : {}),
      };
    },
  );

  app.get(
    '/v1/webhook_deliveries/:id',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'getWebhookDelivery',
        summary: 'Get a webhook delivery',
        tags: ['Webhooks'],
        params: Params,
        response: { 200: DeliveryAnswer, ...ERRORS },
      },
    },
    async (request) => deliveryView(await webhooks.delivery(keyOf(request).projectId, request.params.id)),
  );

  app.post(
    '/v1/webhook_deliveries/:id/redeliver',
    {
      config: { scope: 'generate' },
      schema: {
        operationId: 'redeliverWebhook',
        summary: 'Send a webhook delivery again',
        description: 'At once, with the same `webhook-id`, and with all its tries if that fails.',
        tags: ['Webhooks'],
        params: Params,
        response: {
          202: DeliveryAnswer,
          ...ERRORS,
          409: ErrorAnswer.describe('It is being sent, or its endpoint is disabled'),
        },
      },
    },
    async (request, reply) => {
      const key = keyOf(request);
      return reply.code(202).send(deliveryView(await webhooks.redeliver(key.projectId, request.params.id)));
    },
  );
}
