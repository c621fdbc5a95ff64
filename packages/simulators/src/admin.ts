import type { AddressInfo } from 'node:net';
import fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import { ACCOUNT_STATES, type AccountState } from './core/accounts.ts';
import type { FaultRule } from './core/faults/faults.ts';
import type { LedgerFilter } from './core/ledger.ts';
import type { Simulators } from './simulators.ts';

/** The admin port: offers the methods of `Simulators` over HTTP. README.md lists the calls. */
export interface Admin {
  /** `http://127.0.0.1:<port>`. */
  readonly url: string;
  close(): Promise<void>;
}

interface Named {
  Params: { name: string };
}

export async function serveAdmin(simulators: Simulators, port = 0): Promise<Admin> {
  const app = fastify({ forceCloseConnections: true });
  app.setErrorHandler<FastifyError>((error, _request, reply) =>
    reply.code(error instanceof TypeError ? 400 : (error.statusCode ?? 500)).send({ error: error.message }),
  );

  app.get('/', async () => ({
    environment: simulators.environment,
    upstreams: simulators.upstreams.map((upstream) => ({
      name: upstream.name,
      title: upstream.title,
      url: upstream.url,
      storage_url: upstream.storageUrl,
      settings: upstream.settings(),
      accounts: upstream.accounts.list(),
      unfinished: upstream.jobs.unfinished(),
    })),
    faults: simulators.faults.list(),
  }));

  ledgerRoutes(app, simulators);
  faultRoutes(app, simulators);
  upstreamRoutes(app, simulators);
  app.post<{ Body: { ms?: unknown } | undefined }>('/advance', async ({ body }) => {
    simulators.advance(Number(body?.ms));
    return {};
  });
  app.post<{ Querystring: { upstream?: string } }>('/finish', async ({ query }) => ({
    finished: simulators.finishAll(query.upstream),
  }));

  await app.listen({ host: '127.0.0.1', port });
  return {
    url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`,
    close: () => app.close(),
  };
}

function ledgerRoutes(app: FastifyInstance, simulators: Simulators): void {
  app.get<{ Querystring: LedgerFilter & { prompt?: string } }>('/ledger', async ({ query }) => ({
    requests: simulators.ledger.count(query),
    bills: simulators.ledger.bills(query),
    jobs: simulators.ledger.jobs(query),
  }));
  app.get<{ Querystring: LedgerFilter }>('/requests', async ({ query }) => simulators.ledger.requests(query));
  app.get('/deliveries', async () => simulators.deliveries());
  app.delete('/ledger', async (_request, reply) => {
    simulators.ledger.reset();
    return reply.code(204).send();
  });
}

function faultRoutes(app: FastifyInstance, simulators: Simulators): void {
  app.post<{ Body: FaultRule | undefined }>('/faults', async ({ body }) => {
    if (!body) throw new TypeError('the body must be a fault rule as JSON');
    if (body.upstream !== undefined) simulators.upstream(body.upstream);
    return simulators.faults.add(body);
  });
  app.delete('/faults', async (_request, reply) => {
    simulators.faults.clear();
    return reply.code(204).send();
  });
  app.delete<{ Params: { id: string } }>('/faults/:id', async ({ params }, reply) => {
    return reply.code(simulators.faults.remove(Number(params.id)) ? 204 : 404).send();
  });
}

function upstreamRoutes(app: FastifyInstance, simulators: Simulators): void {
  app.post<{ Params: { name: string; id: string } }>(
    '/upstreams/:name/jobs/:id/finish',
    async ({ params }, reply) => {
      const { jobs } = simulators.upstream(params.name);
      const job = jobs.find(params.id);
      return job ? { finished: jobs.finish(job) ? 1 : 0 } : reply.code(404).send({ error: 'no such job' });
    },
  );
  app.delete<Named>('/upstreams/:name/jobs', async ({ params }, reply) => {
    const { jobs } = simulators.upstream(params.name);
    for (const job of jobs.all()) jobs.remove(job);
    return reply.code(204).send();
  });

  app.post<Named>('/upstreams/:name/outage', async ({ params }) => {
    await simulators.upstream(params.name).outage();
    return {};
  });
  app.delete<Named>('/upstreams/:name/outage', async ({ params }) => {
    await simulators.upstream(params.name).restore();
    return {};
  });
  app.patch<Named & { Body: Record<string, unknown> | undefined }>(
    '/upstreams/:name/settings',
    async (request) => {
      const upstream = simulators.upstream(request.params.name);
      upstream.configure(request.body ?? {});
      return upstream.settings();
    },
  );
  app.put<{ Params: { name: string; account: string }; Body: { state?: AccountState } | undefined }>(
    '/upstreams/:name/accounts/:account',
    async ({ params, body }) => {
      const state = body?.state ?? 'active';
      if (!ACCOUNT_STATES.includes(state)) {
        throw new TypeError(`unknown state ${state}; known are ${ACCOUNT_STATES.join(', ')}`);
      }
      return simulators.upstream(params.name).accounts.set(params.account, state);
    },
  );
}
