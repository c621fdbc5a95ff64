import { z } from 'zod';
import { NAME_PATTERN } from '../../auth/keys.ts';
import { type KeyRow, SCOPES } from '../../store/projects.ts';
import { type ApiContext, type App, keyOf } from '../context.ts';
import { ERRORS, ErrorAnswer, KeyView } from '../schemas.ts';

const SECONDS_PER_YEAR = 31_536_000;

const CreateBody = z.strictObject({
  name: z.string().meta({ pattern: NAME_PATTERN }),
  project: z
    .string()
    .meta({ pattern: NAME_PATTERN })
    .optional()
    .describe('Tasks belong to a project and are invisible to others; default `default`'),
  scopes: z
    .array(z.enum(SCOPES))
    .min(1)
    .optional()
    .describe('`generate` includes `read`; default `generate`'),
  expires_in: z
    .int()
    .min(1)
    .max(10 * SECONDS_PER_YEAR)
    .optional()
    .describe('Seconds'),
});

const RevokeQuery = z.object({
  force: z
    .enum(['true', 'false'])
    .optional()
    .describe('`true` revokes it even if nobody can make another key over HTTP afterwards'),
});

/** `/v1/admin/keys`: creates, lists and revokes API keys. Needs a key with admin scope. */
export function keyRoutes(app: App, { keys, keyring, clock }: ApiContext): void {
  app.post(
    '/v1/admin/keys',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'createKey',
        summary: 'Create an API key',
        description: 'The key is shown in this answer only; the gateway stores its SHA-256.',
        tags: ['Admin'],
        body: CreateBody,
        response: { 201: KeyView.extend({ key: z.string() }), ...ERRORS },
      },
    },
    async (request, reply) => {
      const actor = keyOf(request);
      const { name, project, scopes, expires_in: expiresIn } = request.body;
      const { key, row } = await keys.create(
        {
          name,
          ...(project === undefined ? {} : { project }),
          ...(scopes === undefined ? {} : { scopes }),
          ...(expiresIn === undefined ? {} : { expiresAt: clock.now() + expiresIn * 1000 }),
        },
        actor.id,
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
        tags: ['Admin'],
        response: { 200: z.object({ object: z.literal('list'), data: z.array(KeyView) }), ...ERRORS },
      },
    },
    async (request) => {
      return { object: 'list' as const, data: (await keys.list()).map(keyView) };
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
        tags: ['Admin'],
        params: z.object({ id: z.string() }),
        querystring: RevokeQuery,
        response: {
          200: KeyView,
          ...ERRORS,
          409: ErrorAnswer.describe('It is the last valid key with admin scope'),
        },
      },
    },
    async (request) => {
      const actor = keyOf(request);
      const row = await keys.revoke(request.params.id, actor.id, {
        force: request.query.force === 'true',
      });
      keyring.forget();
      return keyView(row);
    },
  );
}

function keyView(row: KeyRow): z.infer<typeof KeyView> {
  const seconds = (ms: number) => Math.floor(ms / 1000);
  return {
    id: row.id,
    name: row.name,
    project: row.projectId,
    prefix: row.prefix,
    scopes: [...row.scopes],
    created_at: seconds(row.createdAt),
    ...(row.expiresAt === undefined ? {} : { expires_at: seconds(row.expiresAt) }),
    ...(row.revokedAt === undefined ? {} : { revoked_at: seconds(row.revokedAt) }),
  };
}
