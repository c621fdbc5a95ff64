import type { FastifyRequest } from 'fastify';
import type { Metrics } from '../../observability/metrics.ts';
import type { RouteMetrics } from '../../observability/requestMetrics.ts';
import type { App } from '../context.ts';

/** Counts the answers to requests, by route. */
export interface RequestCounts {
  /** The route that serves `method` at `url`, as it was registered. */
  of(method: string, url: string): RouteMetrics;
}

/** What every route may answer, whatever it declares. Alerts are about these, so their series exist from the start. */
const OWN_FAILURES = [500, 503];

/**
 * Counts every request once it is answered. To be called before the first route is registered. Callers choose methods and paths, so only
 * registered ones are labels: there cannot be more series than routes have answers.
 */
export function countRequests(app: App, { route }: Pick<Metrics, 'route'>): RequestCounts {
  const known = new Map<string, RouteMetrics>();
  function add(method: string, url: string, statuses: readonly number[]): RouteMetrics {
    const added = route(method, url, statuses);
    known.set(`${method} ${url}`, added);
    return added;
  }

  app.addHook('onRoute', ({ method, url, schema }) => {
    if (schema?.hide === true) return;
    const statuses = [...Object.keys(schema?.response ?? {}).map(Number), ...OWN_FAILURES];
    for (const one of [method].flat()) if (one !== 'HEAD') add(one, url, statuses);
  });

  function of(method: string, url: string): RouteMetrics {
    const word = method === 'GET' || method === 'HEAD' || known.has(`${method} ${url}`) ? method : 'other';
    return known.get(`${word} ${url}`) ?? add(word, url, []);
  }
  const elsewhere = add('other', 'none', [404]);
  const metricsOf = ({ method, routeOptions: { url } }: FastifyRequest): RouteMetrics =>
    url === undefined ? elsewhere : of(method, url);

  app.decorateRequest('isHeld', false);
  app.addHook('onResponse', (request, reply, done) => {
    metricsOf(request).answered(reply.statusCode, request.isHeld ? undefined : reply.elapsedTime);
    done();
  });
  return { of };
}
