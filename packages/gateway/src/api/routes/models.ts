import { z } from 'zod';
import { PublicModel, publicModel } from '../../catalogue/publicModel.ts';
import { OnetakeError } from '../../tasks/errors.ts';
import type { ApiContext, App } from '../context.ts';
import { preparedJson } from '../http/preparedJson.ts';
import { ERRORS } from '../schemas.ts';

/** For so long the list is sent as it was made: only the date at which a provider ends a model changes it. Milliseconds. */
const LIST_FRESH_MS = 10_000;

/** `GET /v1/models`, `GET /v1/models/{id}`: what each model accepts and costs, and whether it can be used here. */
export function modelRoutes(app: App, { catalogue, clock }: ApiContext): void {
  const sendList = preparedJson(
    () => ({
      object: 'list',
      data: catalogue.list().map((model) => publicModel(model, catalogue.available(model.id))),
    }),
    { clock, freshMs: LIST_FRESH_MS },
  );
  app.get(
    '/v1/models',
    {
      config: { scope: 'any' },
      schema: {
        operationId: 'listModels',
        summary: 'List models',
        tags: ['Models'],
        response: {
          200: z.object({ object: z.literal('list'), data: z.array(PublicModel) }),
          304: z.null().describe('Nothing changed since the `ETag` in `If-None-Match`'),
          ...ERRORS,
        },
      },
    },
    async (request, reply) => sendList(request, reply),
  );

  app.get(
    '/v1/models/:id',
    {
      config: { scope: 'any' },
      schema: {
        operationId: 'getModel',
        summary: 'A model',
        tags: ['Models'],
        params: z.object({ id: z.string() }),
        response: { 200: PublicModel, ...ERRORS },
      },
    },
    async (request) => {
      const model = catalogue.get(request.params.id);
      if (!model) {
        throw new OnetakeError('model_not_found', 404, 'No model has this id; GET /v1/models lists them.', {
          param: 'id',
        });
      }
      return publicModel(model, catalogue.available(model.id));
    },
  );
}
