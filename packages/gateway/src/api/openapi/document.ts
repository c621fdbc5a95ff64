import swagger, { type SwaggerTransformObject } from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import type { ApiContext, App } from '../context.ts';
import { NO_PARAMETERS } from '../filters.ts';
import { preparedJson } from '../http/preparedJson.ts';
import type { RouteScope } from '../scopes.ts';
import { describeAnswers, type Paths } from './responses.ts';

const DESCRIPTION = `Every AI-video model behind one asynchronous task API: **submit**, **query**, **download**.

Send your API key with every call: \`Authorization: Bearer sk-…\`.

1. \`POST /v1/video/generations\` answers with a \`task_id\`.
2. \`GET /v1/video/generations/{task_id}\` shows its \`status\`: \`queued\`, \`in_progress\`, \`succeeded\` or \`failed\`. With \`?wait=30\` the answer is held until the task has finished, for 30 seconds at most; a submit can be held, too.
3. The video is at \`url\`, or at \`GET /v1/video/generations/{task_id}/content\`.

Every \`GET\` also answers \`HEAD\`, every path \`OPTIONS\` with \`Allow\`; any other method is a 405. Duplicate and trailing slashes in a path are ignored.

Every error but those of \`/v1/videos\`, even for a request that is not valid HTTP, is the same object: the HTTP status, a \`reason\`, one sentence that says what to do and a \`request_id\`.`;

/** Serves `/openapi.json` and the reference page at `/docs`, both generated from the schemas of the routes. */
export async function useOpenApi(app: App, { settings, clock }: ApiContext): Promise<void> {
  const { publicUrl, version } = settings;
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Onetake',
        version,
        description: DESCRIPTION,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      // `/` is relative to wherever the document was loaded from.
      servers: [{ url: publicUrl ?? '/' }],
      tags: [
        { name: 'Video', description: 'Submit, query, download' },
        { name: 'Files', description: 'Inputs that are uploaded ahead, as in OpenAI’s API' },
        { name: 'OpenAI Videos', description: 'The same tasks through OpenAI’s API, for its SDKs' },
        { name: 'Webhooks', description: 'Where events are announced, and what was sent' },
        { name: 'Models', description: 'The models and what they accept' },
        { name: 'Media', description: 'Signed links' },
        { name: 'Admin', description: 'Projects, API keys, and who changed what' },
        { name: 'Operations', description: 'For load balancers' },
      ],
      components: {
        securitySchemes: { key: { type: 'http', scheme: 'bearer', description: 'An API key: `sk-…`' } },
      },
      security: [{ key: [] }],
    },
    transform(route) {
      const { schema, url } = jsonSchemaTransform(route);
      return { schema: { ...schema, security: securityOf(route.route.config?.scope) }, url };
    },
    transformObject: describe,
  });
  const sendDocument = preparedJson(() => app.swagger(), { clock, freshMs: Number.POSITIVE_INFINITY });
  app.get(
    '/openapi.json',
    { config: { scope: 'public' }, schema: { hide: true, querystring: NO_PARAMETERS } },
    async (request, reply) => sendDocument(request, reply),
  );
  serveReference(app);
}

/** What a route needs in the words of OpenAPI: the scopes are the roles of the key. */
const securityOf = (scope: RouteScope | undefined): { key: string[] }[] =>
  scope === 'public' ? [] : [{ key: scope === undefined || scope === 'any' ? [] : [scope] }];

interface ReferenceFile {
  readonly status: number;
  readonly type: string;
  readonly location: string | undefined;
  readonly body: Buffer;
}

/** The page and its script. They are made when somebody first asks for them, and kept: they are five megabytes. */
function serveReference(app: App): void {
  let opened: Promise<FastifyInstance> | undefined;
  async function make(url: string): Promise<ReferenceFile> {
    opened ??= import('./reference.ts').then(({ openReference }) => openReference());
    const { statusCode: status, headers, rawPayload: body } = await (await opened).inject(url);
    const { 'content-type': type = 'text/plain', location } = headers;
    return { status, type: String(type), location, body };
  }
  // The router sends both to one route, and the first is moved to the second.
  for (const urls of [['/docs', '/docs/'], ['/docs/js/scalar.js']]) {
    const known = new Map<string, Promise<ReferenceFile>>();
    app.get(
      urls.at(-1) ?? '',
      { config: { scope: 'public' }, schema: { hide: true } },
      async (request, reply) => {
        const path = request.url.split('?', 1)[0];
        const url = urls.find((one) => one === path) ?? urls.at(-1) ?? '';
        const making = known.get(url) ?? make(url);
        known.set(url, making);
        const { status, type, location, body } = await making.catch((error: unknown) => {
          known.delete(url);
          opened = undefined;
          throw error;
        });
        if (location !== undefined) reply.header('location', location);
        return reply.code(status).type(type).send(body);
      },
    );
  }
}

const describe: SwaggerTransformObject = (document) => {
  const described = jsonSchemaTransformObject(document);
  // HEAD is GET without the body. Describing it as well would only duplicate the operation id.
  for (const path of Object.values(described.paths ?? {})) delete path?.head;
  if ('paths' in described) describeAnswers(described.paths as Paths);
  return described;
};
