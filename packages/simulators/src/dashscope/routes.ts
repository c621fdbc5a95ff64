import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import { Refusal } from '../core/http/answer.ts';
import { ERRORS } from './answers.ts';
import { QUERY_BUCKET } from './assumptions.ts';
import { identityOf } from './identity.ts';
import { limitRate } from './limitRate.ts';
import { type ListQuery, listBody } from './list.ts';
import { submit } from './submit.ts';
import { isForgotten, taskBody, unknownBody, type WanContext, type WanJob } from './tasks.ts';

type OfTask = { Params: { id: string } };

/** Registers the paths of "Asynchronous task management API", and the two paths for submissions. */
export function routes(app: FastifyInstance, context: WanContext): void {
  const { jobs, notes } = context;

  for (const path of ['video-generation', 'image2video'] as const) {
    app.post(
      `/api/v1/services/aigc/${path}/video-synthesis`,
      { config: { operation: 'submit' } },
      async (request) => answered(request, context, (account) => submit(path, request, account, context)),
    );
  }

  for (const path of ['/api/v1/tasks', '/api/v1/tasks/']) {
    app.get<{ Querystring: ListQuery }>(path, { config: { operation: 'list' } }, async (request) =>
      asked(request, context, (account) => listBody(request.query, identityOf(account.name).owner, context)),
    );
  }

  app.get<OfTask>('/api/v1/tasks/:id', { config: { operation: 'poll' } }, async (request) =>
    asked(request, context, (account) => {
      const job = taskOf(request.params.id, account, context);
      if (!job) return unknownBody(request.params.id);
      notes.about(request, job);
      return taskBody(job, context);
    }),
  );

  app.post<OfTask>('/api/v1/tasks/:id/cancel', { config: { operation: 'cancel' } }, async (request) =>
    asked(request, context, (account) => {
      const job = taskOf(request.params.id, account, context);
      if (job) notes.about(request, job);
      if (job?.state !== 'queued' || !jobs.cancel(job)) throw new Refusal(ERRORS.notPending());
      return { request_id: randomUUID() };
    }),
  );
}

/** Any key of the account that made a task may query it, for as long as it is kept. */
function taskOf(id: string, account: Account, context: WanContext): WanJob | undefined {
  const job = context.jobs.find(id);
  const own = job?.account === identityOf(account.name).owner;
  return job && own && !isForgotten(job, context) ? job : undefined;
}

function answered<T>(request: FastifyRequest, context: WanContext, work: (account: Account) => T): T {
  try {
    return work(accountOf(request, context));
  } catch (error) {
    if (!(error instanceof Refusal && context.settings.errorsInOk)) throw error;
    throw new Refusal({ ...error.answer, status: 200 });
  }
}

const asked = <T>(request: FastifyRequest, context: WanContext, work: (account: Account) => T): T =>
  answered(request, context, (account) => {
    limitRate(
      context,
      `${QUERY_BUCKET} ${identityOf(account.name).owner}`,
      context.settings.queriesPerSecond,
    );
    return work(account);
  });

/** "The model, the endpoint URL and the API key must belong to the same region. Cross-region calls fail." */
function accountOf(request: FastifyRequest, context: WanContext): Account {
  if (request.headers.authorization === undefined) throw new Refusal(ERRORS.noKey());
  const account = context.accountOf(request);
  const { region = context.settings.region } = identityOf(account?.name ?? '');
  if (!account || account.state === 'revoked' || region !== context.settings.region) {
    throw new Refusal(ERRORS.wrongKey());
  }
  return account;
}
