import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { mayUse, requireModel } from '../../auth/allowedModels.ts';
import { PublicModel, publicModel } from '../../catalogue/publicModel.ts';
import type { KeyRow } from '../../store/projects.ts';
import { OnetakeError } from '../../tasks/errors.ts';
import { type ApiContext, type App, keyOf } from '../context.ts';
import { preparedJson } from '../http/preparedJson.ts';
import { ERRORS, ErrorAnswer } from '../schemas.ts';

/** For so long the list is sent as it was made: only the date at which a provider ends a model changes it. Milliseconds. */
const LIST_FRESH_MS = 10_000;
/** Lists of keys that may not use all models which are kept. */
const MOST_LISTS = 20;

/** `GET /v1/models`, `GET /v1/models/{id}`: what each model accepts and costs, and whether it can be used here. */
export function modelRoutes(app: App, { catalogue, clock }: ApiContext): void {
  const listOf = (key: Pick<KeyRow, 'models'>) =>
    preparedJson(
      () => ({
        object: 'list',
        data: catalogue
          .list()
          .filter(({ id }) => mayUse(key, id))
          .map((model) => publicModel(model, catalogue.available(model.id))),
      }),
      { clock, freshMs: LIST_FRESH_MS },
    );
  const wholeList = listOf({});
  /** Those of keys that may not use all models, by what they may use. */
  const partLists = new LRUCache<string, ReturnType<typeof listOf>>({ max: MOST_LISTS });
  function listFor({ models }: KeyRow): ReturnType<typeof listOf> {
    if (!models) return wholeList;
    const globs = JSON.stringify(models);
    const known = partLists.get(globs) ?? listOf({ models });
    partLists.set(globs, known);
    return known;
  }
  app.get(
    '/v1/models',
    {
      config: { scope: 'any' },
      schema: {
        operationId: 'listModels',
        summary: 'List models',
        description: 'Those that the key may use.',
        tags: ['Models'],
        response: {
          200: z.object({ object: z.literal('list'), data: z.array(PublicModel) }),
          304: z.null().describe('Nothing changed since the `ETag` in `If-None-Match`'),
          ...ERRORS,
        },
      },
    },
    async (request, reply) => listFor(keyOf(request))(request, reply),
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
        response: {
          200: PublicModel,
          ...ERRORS,
          403: ErrorAnswer.describe('The key may not use the model'),
        },
      },
    },
    async (request) => {
      const model = catalogue.get(request.params.id);
      if (!model) {
        throw new OnetakeError('model_not_found', 404, 'No model has this id; GET /v1/models lists them.', {
          param: 'id',
        });
      }
      requireModel(keyOf(request), model.id);
      return publicModel(model, catalogue.available(model.id));
    },
  );
}
