import { z } from 'zod';
import { PublicModel, publicModel } from '../../catalogue/publicModel.ts';
import { OnetakeError } from '../../tasks/errors.ts';
import type { ApiContext, App } from '../context.ts';
import { ERRORS } from '../schemas.ts';

/** `GET /v1/models`, `GET /v1/models/{id}`: what each model accepts and costs, and whether it can be used here. */
export function modelRoutes(app: App, { catalogue }: ApiContext): void {
  app.get(
    '/v1/models',
    {
      schema: {
        operationId: 'listModels',
        summary: 'List models',
        tags: ['Models'],
        response: { 200: z.object({ object: z.literal('list'), data: z.array(PublicModel) }), ...ERRORS },
      },
    },
    async () => ({
      object: 'list' as const,
      data: catalogue.list().map((model) => publicModel(model, catalogue.available(model.id))),
    }),
  );

  app.get(
    '/v1/models/:id',
    {
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
