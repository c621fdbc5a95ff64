import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Metrics } from '../../observability/metrics.ts';
import type { RouteMetrics } from '../../observability/requestMetrics.ts';
import type { App } from '../context.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** It answers the methods that its path does not have. */
    isFallback?: true;
  }
}

/** Counts the answers to requests, by route. */
export interface RequestCounts {
  /** Counts every request that is routed, once it is over. To be called before the first route is registered. */
  watch(app: App): void;
  /** The route that serves `method` at `url`, as it was registered. */
  of(method: string, url: string): RouteMetrics;
  /** Counts an answer to what never reaches a route. */
  unrouted(status: number): void;
}

/** What any route may answer although it does not declare it, if it has a body, and if it needs a key. */
const COMMON = { all: [400, 500, 503], withBody: [408, 413, 415], withKey: [401, 403, 429] };
/** What is answered to what reaches no route. */
const UNROUTED = [400, 404, 405, 408, 413, 417, 431, 501];
/** nginx's status for a client that hung up before it was answered. */
const HUNG_UP = 499;

/** Callers choose methods and paths, so only registered ones are labels: there cannot be more series than routes have answers. */
export function createRequestCounts({ route }: Pick<Metrics, 'route'>): RequestCounts {
  const known = new Map<string, RouteMetrics>();
  function add(method: string, url: string, statuses: readonly number[] = []): RouteMetrics {
    const added = route(method, url, statuses);
    known.set(`${method} ${url}`, added);
    return added;
  }
  const of = (method: string, url: string): RouteMetrics => known.get(`${method} ${url}`) ?? add(method, url);
  const elsewhere = add('other', 'none', UNROUTED);
  const metricsOf = ({ method, routeOptions: { url, config } }: FastifyRequest): RouteMetrics =>
    url === undefined ? elsewhere : of(config.isFallback ? 'other' : method, url);

  /** A client may hang up at any time, and some routes are left in no other way: what closes every answer is its connection. */
  function count(request: FastifyRequest, { raw, elapsedTime }: FastifyReply): void {
    const status = raw.headersSent ? raw.statusCode : HUNG_UP;
    metricsOf(request).answered(status, request.isHeld || !raw.writableFinished ? undefined : elapsedTime);
  }

  return {
    of,
    unrouted: (status) => elsewhere.answered(status, undefined),
    watch(app) {
      app.addHook('onRoute', ({ method, url, schema, config }) => {
        if (schema?.hide === true) return;
        const statuses = [
          ...Object.keys(schema?.response ?? {}).map(Number),
          ...COMMON.all,
          ...(schema?.body === undefined ? [] : COMMON.withBody),
          ...(config?.scope === 'public' ? [] : COMMON.withKey),
        ];
        for (const one of [method].flat()) if (one !== 'HEAD') add(one, url, statuses);
      });
      app.decorateRequest('isHeld', false);
      app.addHook('onRequest', (request, reply, done) => {
        reply.raw.once('close', () => count(request, reply));
        done();
      });
    },
  };
}
