import { z } from 'zod';
import { NAME_PATTERN } from '../../auth/names.ts';
import { type ApiContext, type App, keyOf } from '../context.ts';
import {
  AuditList,
  ERRORS,
  ErrorAnswer,
  LimitsView,
  ProjectView,
  queryNumber,
  queryText,
  UseView,
} from '../schemas.ts';
import { auditView, limitsOf, projectView, useView } from '../views/projects.ts';

const TAGS = ['Admin'];

const allowance = {
  limits: LimitsView.nullish().describe(
    'What all of its keys may use together. Replaces all of the former ones',
  ),
  default_metadata: z
    .record(z.string(), z.string())
    .nullish()
    .describe('Metadata of its tasks. What a task or its key says otherwise wins'),
};
const name = z.string().meta({ pattern: NAME_PATTERN }).optional();
const CreateBody = z.strictObject({
  id: z.string().meta({ pattern: NAME_PATTERN }).describe('What keys name it by'),
  name,
  ...allowance,
});
const ChangeBody = z.strictObject({
  name,
  ...allowance,
  archived: z
    .boolean()
    .optional()
    .describe('An archived project takes no new tasks and no new keys. What it has goes on, and can be read'),
});
const Params = z.object({ id: z.string() });

const time = queryNumber({
  min: 0,
  max: 253_402_300_799,
  example: 1_795_617_056,
  whole: true,
});
const AuditParameters = z.object({
  limit: queryNumber({ min: 1, max: 100, example: 20, whole: true }).default(20),
  after: z
    .string()
    .regex(/^\d{1,15}$/, 'expected `next_cursor` of the previous page')
    .optional(),
  actor: queryText('a key id, or cli or bootstrap', 'cli').optional(),
  action: queryText('an action', 'key.created').optional(),
  subject: queryText('what was changed', 'key_01a2130d80eb77ebb27b30bd03aa33f1').optional(),
  from: time.optional().describe('Unix seconds: what was done then or later'),
  to: time.optional().describe('Unix seconds: what was done before'),
});

type Allowance = z.infer<z.ZodObject<typeof allowance>>;
const allowanceOf = ({ limits, default_metadata: metadata }: Allowance) => ({
  ...(limits === undefined ? {} : { limits: limits && limitsOf(limits) }),
  ...(metadata === undefined ? {} : { defaultMetadata: metadata }),
});

/** `/v1/admin/projects` and `/v1/admin/audit`. */
export function projectRoutes(app: App, context: ApiContext): void {
  collection(app, context);
  single(app, context);
  audit(app, context);
}

function collection(app: App, { projects }: ApiContext): void {
  app.post(
    '/v1/admin/projects',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'createProject',
        summary: 'Create a project',
        tags: TAGS,
        body: CreateBody,
        response: {
          201: ProjectView,
          ...ERRORS,
          409: ErrorAnswer.describe('There is a project with this id'),
        },
      },
    },
    async (request, reply) => {
      const { id, name: words, ...given } = request.body;
      const project = { id, ...(words === undefined ? {} : { name: words }), ...allowanceOf(given) };
      return reply.code(201).send(projectView(await projects.create(project, keyOf(request).id)));
    },
  );

  app.get(
    '/v1/admin/projects',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'listProjects',
        summary: 'List projects',
        tags: TAGS,
        response: { 200: z.object({ object: z.literal('list'), data: z.array(ProjectView) }), ...ERRORS },
      },
    },
    async () => ({ object: 'list' as const, data: (await projects.list()).map(projectView) }),
  );
}

function single(app: App, context: ApiContext): void {
  const { projects, keyring } = context;
  app.get(
    '/v1/admin/projects/:id',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'getProject',
        summary: 'Get a project',
        tags: TAGS,
        params: Params,
        response: { 200: ProjectView.extend({ use: UseView }), ...ERRORS },
      },
    },
    async (request) => {
      const project = await projects.get(request.params.id);
      return { ...projectView(project), use: await useView(context, { projectId: project.id }) };
    },
  );

  app.patch(
    '/v1/admin/projects/:id',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'updateProject',
        summary: 'Update, archive or restore a project',
        description: 'Changes what the body has, at once.',
        tags: TAGS,
        params: Params,
        body: ChangeBody,
        response: { 200: ProjectView, ...ERRORS },
      },
    },
    async (request) => {
      const { name: words, archived, ...given } = request.body;
      const settings = {
        ...(words === undefined ? {} : { name: words }),
        ...(archived === undefined ? {} : { archived }),
        ...allowanceOf(given),
      };
      const project = await projects.change(request.params.id, settings, keyOf(request).id);
      keyring.forget();
      return projectView(project);
    },
  );
}

function audit(app: App, { store }: ApiContext): void {
  app.get(
    '/v1/admin/audit',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'listAudit',
        summary: 'Read the audit log',
        description: 'What operators and administrators have done, newest first.',
        tags: TAGS,
        querystring: AuditParameters,
        response: { 200: AuditList, ...ERRORS },
      },
    },
    async ({ query: { limit, from, to, ...filters } }) => {
      const rows = await store.audit({
        ...(filters.after === undefined ? {} : { after: filters.after }),
        ...(filters.actor === undefined ? {} : { actor: filters.actor }),
        ...(filters.action === undefined ? {} : { action: filters.action }),
        ...(filters.subject === undefined ? {} : { subject: filters.subject }),
        ...(from === undefined ? {} : { from: from * 1000 }),
        ...(to === undefined ? {} : { to: to * 1000 }),
        // One more than asked for shows whether there are more.
        limit: limit + 1,
      });
      const page = rows.slice(0, limit);
      const more = rows.length > limit;
      const last = page.at(-1);
      return {
        object: 'list' as const,
        has_more: more,
        ...(more && last ? { next_cursor: last.id } : {}),
        data: page.map(auditView),
      };
    },
  );
}
