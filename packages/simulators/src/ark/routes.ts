import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import type { ArkContext, Task } from './context.ts';
import { refusals } from './errors.ts';
import { isKept, listTasks, type Query } from './list.ts';
import { submit } from './submit.ts';
import { taskObject } from './task.ts';

interface ById {
  Params: { id: string };
}

const PATH = '/api/v3/contents/generations/tasks';

/** "Queries a second of an account: query 20, list 1, cancel or delete 20." */
const PER_SECOND = { poll: 20, list: 1, delete: 20 } as const;

const operation = (name: string) => ({ config: { operation: name } });

/** The four calls of the video generation API. Every success is 200. */
export function routes(app: FastifyInstance, context: ArkContext): void {
  const { jobs, notes, shared } = context;

  function authenticate(request: FastifyRequest): Account {
    const account = context.accountOf(request);
    if (!account || account.state === 'revoked') throw refusals.unauthorised();
    return account;
  }

  function limit(account: Account, call: keyof typeof PER_SECOND): void {
    const name = `${context.name} ${account.name} ${call}`;
    if (shared.limiter.take(name, { requests: PER_SECOND[call], perMs: 1000 }) > 0) {
      throw refusals.tooFrequent();
    }
  }

  function find(request: FastifyRequest<ById>, account: Account): Task {
    const task = jobs.find(request.params.id);
    if (!task || task.account !== account.name || !isKept(context, task)) throw refusals.noTask();
    notes.about(request, task);
    return task;
  }

  app.post(PATH, operation('submit'), async (request) => {
    const task = submit(context, authenticate(request), request.body);
    notes.about(request, task);
    return { id: task.id };
  });

  app.get<ById>(`${PATH}/:id`, operation('poll'), async (request) => {
    const account = authenticate(request);
    limit(account, 'poll');
    return taskObject(context, find(request, account));
  });

  app.get<{ Querystring: Query }>(PATH, operation('list'), async (request) => {
    const account = authenticate(request);
    limit(account, 'list');
    const mine = jobs.all().filter((task) => task.account === account.name && isKept(context, task));
    const { total, tasks } = listTasks(mine, request.query);
    return { total, items: tasks.map((task) => taskObject(context, task)) };
  });

  app.delete<ById>(`${PATH}/:id`, operation('delete'), async (request) => {
    const account = authenticate(request);
    limit(account, 'delete');
    const task = find(request, account);
    if (task.state === 'running') throw refusals.deleteRunning(task.id);
    if (task.state === 'cancelled') throw refusals.deleteCancelled(task.id);
    if (!jobs.cancel(task)) jobs.remove(task);
    return {};
  });
}
