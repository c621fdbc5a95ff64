import { z } from 'zod';
import { NAME_PATTERN } from '../../auth/names.ts';
import { SCOPES } from '../../store/projects.ts';
import { type ApiContext, type App, keyOf } from '../context.ts';
import { CreatedKey, ERRORS, ErrorAnswer, KeyView, LimitsView, RotatedKey } from '../schemas.ts';
import { keyView, limitsOf } from '../views/projects.ts';

const SECONDS_PER_YEAR = 31_536_000;
const DAY_SECONDS = 86_400;
const TAGS = ['Admin'];

const expiresIn = z
  .int()
  .min(1)
  .max(10 * SECONDS_PER_YEAR);

/** What both a new and a changed key may have. */
const allowance = {
  scopes: z
    .array(z.enum(SCOPES))
    .min(1)
    .optional()
    .describe('`generate` includes `read`; by default a key has `generate`'),
  models: z
    .array(z.string())
    .min(1)
    .nullish()
    .describe('The models that it may use, by ids in which `*` stands for any characters; null: all'),
  limits: LimitsView.nullish().describe('Besides those of the project. Replaces all of the former ones'),
  default_metadata: z
    .record(z.string(), z.string())
    .nullish()
    .describe(
      'Metadata of its tasks. What the task itself gives wins, and then what the key has over the project',
    ),
};

const CreateBody = z.strictObject({
  name: z.string().meta({ pattern: NAME_PATTERN }),
  project: z
    .string()
    .meta({ pattern: NAME_PATTERN })
    .optional()
    .describe(
      'Tasks belong to a project and are invisible to others; default `default`. It is created if there is none',
    ),
  ...allowance,
  expires_in: expiresIn.optional().describe('Seconds'),
});

const ChangeBody = z.strictObject({
  name: z.string().meta({ pattern: NAME_PATTERN }).optional(),
  ...allowance,
  expires_in: expiresIn.nullish().describe('Seconds from now; null: never'),
});

const RotateBody = z.strictObject({
  overlap: z
    .int()
    .min(0)
    .max(30 * DAY_SECONDS)
    .default(DAY_SECONDS)
    .describe('Seconds for which the former key stays valid; default a day'),
});

const ForceQuery = z.object({
  force: z
    .enum(['true', 'false'])
    .optional()
    .describe('`true` does it even if nobody can make another key over HTTP afterwards'),
});
const Params = z.object({ id: z.string() });
const LAST_ADMIN = ErrorAnswer.describe('It is the last valid key with admin scope');

type Allowance = z.infer<z.ZodObject<typeof allowance>>;

/** What is given of an allowance, as the keys take it. */
const allowanceOf = ({ scopes, models, limits, default_metadata: metadata }: Allowance) => ({
  ...(scopes === undefined ? {} : { scopes }),
  ...(models === undefined ? {} : { models }),
  ...(limits === undefined ? {} : { limits: limits && limitsOf(limits) }),
  ...(metadata === undefined ? {} : { defaultMetadata: metadata }),
});

/** `/v1/admin/keys`: creates, lists, changes, rotates and revokes API keys. */
export function keyRoutes(app: App, context: ApiContext): void {
  collection(app, context);
  single(app, context);
  rotation(app, context);
}

function collection(app: App, { keys, clock }: ApiContext): void {
  app.post(
    '/v1/admin/keys',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'createKey',
        summary: 'Create an API key',
        description: 'The key is shown in this answer only; the gateway stores its SHA-256.',
        tags: TAGS,
        body: CreateBody,
        response: {
          201: CreatedKey,
          ...ERRORS,
          409: ErrorAnswer.describe('The project is archived'),
        },
      },
    },
    async (request, reply) => {
      const { name, project, expires_in: seconds, ...given } = request.body;
      const { key, row } = await keys.create(
        {
          name,
          ...(project === undefined ? {} : { project }),
          ...(seconds === undefined ? {} : { expiresAt: clock.now() + seconds * 1000 }),
          ...allowanceOf(given),
        },
        keyOf(request).id,
      );
      return reply
        .code(201)
        .header('cache-control', 'no-store')
        .send({ ...keyView(row), key });
    },
  );

  app.get(
    '/v1/admin/keys',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'listKeys',
        summary: 'List API keys',
        tags: TAGS,
        querystring: z.object({ project: z.string().optional().describe('Only those of this project') }),
        response: { 200: z.object({ object: z.literal('list'), data: z.array(KeyView) }), ...ERRORS },
      },
    },
    async ({ query: { project } }) => {
      const rows = await keys.list();
      const data = rows.filter(({ projectId }) => project === undefined || projectId === project);
      return { object: 'list' as const, data: data.map(keyView) };
    },
  );
}

function single(app: App, { keys, keyring, clock }: ApiContext): void {
  app.patch(
    '/v1/admin/keys/:id',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'updateKey',
        summary: 'Update an API key',
        description: 'Changes what the body has, at once.',
        tags: TAGS,
        params: Params,
        querystring: ForceQuery,
        body: ChangeBody,
        response: { 200: KeyView, ...ERRORS, 409: LAST_ADMIN },
      },
    },
    async (request) => {
      const { name, expires_in: seconds, ...given } = request.body;
      const row = await keys.change(
        request.params.id,
        {
          ...(name === undefined ? {} : { name }),
          ...(seconds === undefined ? {} : { expiresAt: seconds && clock.now() + seconds * 1000 }),
          ...allowanceOf(given),
        },
        keyOf(request).id,
        { force: request.query.force === 'true' },
      );
      keyring.forget();
      return keyView(row);
    },
  );

  app.delete(
    '/v1/admin/keys/:id',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'revokeKey',
        summary: 'Revoke an API key',
        description: 'It becomes invalid immediately. Its tasks continue.',
        tags: TAGS,
        params: Params,
        querystring: ForceQuery,
        response: { 200: KeyView, ...ERRORS, 409: LAST_ADMIN },
      },
    },
    async (request) => {
      const row = await keys.revoke(request.params.id, keyOf(request).id, {
        force: request.query.force === 'true',
      });
      keyring.forget();
      return keyView(row);
    },
  );
}

function rotation(app: App, { keys, keyring }: ApiContext): void {
  app.post(
    '/v1/admin/keys/:id/rotate',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'rotateKey',
        summary: 'Replace an API key',
        description:
          'Answers with a new key of the same project, scopes, models and limits, which count for both keys together. The former one expires after the overlap.',
        tags: TAGS,
        params: Params,
        body: RotateBody,
        response: {
          201: RotatedKey,
          ...ERRORS,
          409: ErrorAnswer.describe('The key is not valid any more, or was rotated before'),
        },
      },
    },
    async (request, reply) => {
      const { key, row, former } = await keys.rotate(
        request.params.id,
        request.body.overlap * 1000,
        keyOf(request).id,
      );
      keyring.forget();
      return reply
        .code(201)
        .header('cache-control', 'no-store')
        .send({ ...keyView(row), key, former: keyView(former) });
    },
  );
}
