import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import { Refusal } from '../core/http/answer.ts';
import { isOver } from '../core/jobs/job.ts';
import { ASSUMPTIONS } from './assumptions.ts';
import { readBody } from './body.ts';
import { createCharacter, findCharacter } from './characters.ts';
import { sendContent } from './content.ts';
import type { OpenAiContext } from './context.ts';
import { refusals } from './errors.ts';
import { findVideo, forget, videosOf } from './find.ts';
import { edit, extend, remix } from './submit.ts';
import { type VideoJob, videoResource } from './video.ts';

interface ById {
  Params: { id: string };
}

const operation = (name: string) => ({ config: { operation: name } });

/** OpenAI's public API description, the paths under `/videos`. Every success is 200. */
export async function routes(app: FastifyInstance, context: OpenAiContext): Promise<void> {
  await app.register(multipart, { limits: { fileSize: ASSUMPTIONS.largestUpload } });
  // The handlers have a scope of their own, so that the flavour can convert their refusals first.
  await app.register(async (scope) => {
    scope.setErrorHandler((error) => {
      throw error instanceof Refusal ? new Refusal(context.flavour.reshape(error.answer)) : error;
    });
    submits(scope, context);
    reads(scope, context);
    if (context.flavour.endpoints.includes('characters')) characters(scope, context);
  });
}

function submits(app: FastifyInstance, context: OpenAiContext): void {
  const { flavour, notes } = context;
  const path = `${flavour.prefix}/videos`;

  async function submitted(request: FastifyRequest, making: (account: Account) => Promise<VideoJob>) {
    const job = await making(authenticate(context, request));
    notes.about(request, job);
    return view(context, job);
  }

  app.post(path, operation('submit'), async (request) =>
    submitted(request, (account) => flavour.create(context, request, account)),
  );
  if (flavour.endpoints.includes('edits')) {
    app.post(`${path}/edits`, operation('submit'), async (request) =>
      submitted(request, (account) => edit(context, request, account)),
    );
  }
  if (flavour.endpoints.includes('extensions')) {
    app.post(`${path}/extensions`, operation('submit'), async (request) =>
      submitted(request, (account) => extend(context, request, account)),
    );
  }
  if (flavour.endpoints.includes('remix')) {
    app.post<ById>(`${path}/:id/remix`, operation('submit'), async (request) =>
      submitted(request, (account) => remix(context, request, account, request.params.id)),
    );
  }
}

function reads(app: FastifyInstance, context: OpenAiContext): void {
  const { flavour, notes, jobs } = context;
  const path = `${flavour.prefix}/videos`;

  /** The job that a request names. */
  function named(request: FastifyRequest<ById>): VideoJob {
    const job = findVideo(context, authenticate(context, request), request.params.id);
    notes.about(request, job);
    return job;
  }

  app.get<ById>(`${path}/:id`, operation('poll'), async (request, reply) => {
    const job = named(request);
    const { pollAfterMs } = context.settings;
    if (pollAfterMs > 0) reply.header('openai-poll-after-ms', pollAfterMs);
    return view(context, job);
  });

  app.get<{ Querystring: Record<string, string | undefined> }>(path, operation('list'), async (request) => {
    const account = authenticate(context, request);
    const page = listVideos(videosOf(context, account), request.query, context);
    return {
      object: 'list',
      data: page.jobs.map((job) => view(context, job)),
      first_id: page.jobs.at(0)?.id ?? null,
      last_id: page.jobs.at(-1)?.id ?? null,
      has_more: page.more,
    };
  });

  app.delete<ById>(`${path}/:id`, operation('delete'), async (request) => {
    const job = named(request);
    if (!isOver(job) && flavour.unfinishedDelete === 'refused')
      throw refusals.choice(ASSUMPTIONS.deleteUnfinished);
    if (!isOver(job) && flavour.unfinishedDelete === 'forgets') forget(job);
    else jobs.remove(job);
    return { id: job.id, object: 'video.deleted', deleted: true };
  });

  app.get<ById & { Querystring: { variant?: string } }>(
    `${path}/:id/content`,
    operation('download'),
    async (request, reply) =>
      sendContent(context, named(request), request.query.variant ?? 'video', { request, reply }),
  );
}

function characters(app: FastifyInstance, context: OpenAiContext): void {
  const path = `${context.flavour.prefix}/videos/characters`;
  app.post(path, operation('other'), async (request) =>
    createCharacter(context, authenticate(context, request), await readBody(request)),
  );
  app.get<ById>(`${path}/:id`, operation('other'), async (request) =>
    findCharacter(context, authenticate(context, request), request.params.id),
  );
}

function authenticate(context: OpenAiContext, request: FastifyRequest): Account {
  const account = context.accountOf(request);
  if (account && account.state !== 'revoked') return account;
  const { keyHeader, refuses } = context.flavour;
  const key = credentialOf(request.headers, keyHeader);
  throw key === undefined ? refuses.missingKey() : refuses.wrongKey(key);
}

function view(context: OpenAiContext, job: VideoJob): Record<string, unknown> {
  const resource = videoResource(job, {
    now: context.shared.clock.now(),
    timeShown: context.timeShown,
    promptShown: context.promptShown,
    sparse: context.settings.sparse,
  });
  return context.flavour.extend(resource, job, context);
}

export function credentialOf(
  headers: Record<string, unknown>,
  keyHeader: string | undefined,
): string | undefined {
  const own = keyHeader === undefined ? undefined : headers[keyHeader];
  if (typeof own === 'string') return own;
  const { authorization } = headers;
  if (typeof authorization !== 'string') return undefined;
  return /^Bearer (.+)$/.exec(authorization)?.[1];
}

/** OpenAI's public API description: limit 0 to 100. */
const LARGEST_LIMIT = 100;

/** One page, newest first unless `order` is `asc`, beginning after the id `after`. */
function listVideos(
  jobs: readonly VideoJob[],
  query: Readonly<Record<string, string | undefined>>,
  { settings: { list }, flavour }: OpenAiContext,
): { jobs: readonly VideoJob[]; more: boolean } {
  if (list === 'absent') throw refusals.choice(ASSUMPTIONS.noList);
  const order = query.order ?? 'desc';
  if (order !== 'asc' && order !== 'desc') throw refusals.invalidValue('order', order, ['asc', 'desc']);
  const limit = Number(query.limit ?? ASSUMPTIONS.listLimit);
  if (!Number.isInteger(limit) || limit < 0 || limit > LARGEST_LIMIT) {
    throw refusals.invalidType('limit', `an integer from 0 to ${LARGEST_LIMIT}`, `'${query.limit}'`);
  }
  const sorted = list === 'unsorted' ? jobs.toSorted((a, b) => (a.id < b.id ? -1 : 1)) : jobs;
  const ordered = order === 'asc' ? sorted : sorted.toReversed();
  const after = list === 'stuck' ? undefined : query.after;
  const start = after === undefined ? 0 : ordered.findIndex((job) => job.id === after) + 1;
  if (after !== undefined && start === 0) {
    if (flavour.emptyBehindUnknown) return { jobs: [], more: false };
    throw refusals.videoNotFound(after);
  }
  return { jobs: ordered.slice(start, start + limit), more: ordered.length > start + limit };
}
