import type { Metric, MetricValue, Registry } from 'prom-client';

/** Counts the answers of a route. */
export interface RouteMetrics {
  /** `ms`: how long it took; undefined if it was held on purpose, so that its time says nothing about this gateway. */
  answered(status: number, ms: number | undefined): void;
}

/** Upper bounds of the buckets, seconds. A status query takes well below a millisecond, a large download minutes. */
const BUCKETS = [0.001, 0.005, 0.025, 0.1, 0.25, 1, 5, 30];

const COUNT = 'onetake_http_requests_total';
const DURATION = 'onetake_http_request_duration_seconds';

/** The times of the answers of a route. `counts` has one more bucket than there are bounds. */
interface Times {
  readonly method: string;
  readonly route: string;
  readonly counts: number[];
  seconds: number;
  count: number;
}

/**
 * Counts requests by route and status, and measures how long they take by route. Returns a function that adds a route: with `statuses`, whose
 * counters exist from then on, because a counter that is first seen at 1 has no increase. What a query costs is counted in microseconds, so
 * nothing here makes an object or a string: prom-client's own counters hash their labels each time.
 */
export function createRequestMetrics(
  registry: Registry,
): (method: string, route: string, statuses: readonly number[]) => RouteMetrics {
  const routes: { readonly times: Times; readonly statuses: Map<number, number> }[] = [];

  register(registry, COUNT, 'HTTP requests that were answered', 'counter', () =>
    routes.flatMap(({ times: { method, route }, statuses }) =>
      [...statuses].map(([status, value]) => ({ labels: { method, route, status }, value })),
    ),
  );
  register(
    registry,
    DURATION,
    'From the head of an HTTP request to the end of its answer, without event streams and answers that a client asked to hold',
    'histogram',
    () => routes.flatMap(({ times }) => (times.count === 0 ? [] : histogramOf(times))),
  );

  return (method, route, declared) => {
    const times: Times = {
      method,
      route,
      counts: new Array(BUCKETS.length + 1).fill(0),
      seconds: 0,
      count: 0,
    };
    const statuses = new Map(declared.map((status) => [status, 0]));
    routes.push({ times, statuses });
    return {
      answered(status, ms) {
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (ms === undefined) return;
        const seconds = ms / 1000;
        let bucket = 0;
        while (bucket < BUCKETS.length && seconds > (BUCKETS[bucket] ?? 0)) bucket += 1;
        times.counts[bucket] = (times.counts[bucket] ?? 0) + 1;
        times.seconds += seconds;
        times.count += 1;
      },
    };
  };
}

type Value = MetricValue<string> & { readonly metricName?: string };

function histogramOf({ method, route, counts, seconds, count }: Times): Value[] {
  let upTo = 0;
  const buckets = counts.map((inBucket, index) => {
    upTo += inBucket;
    return {
      labels: { le: BUCKETS[index] ?? '+Inf', method, route },
      value: upTo,
      metricName: `${DURATION}_bucket`,
    };
  });
  return [
    ...buckets,
    { labels: { method, route }, value: seconds, metricName: `${DURATION}_sum` },
    { labels: { method, route }, value: count, metricName: `${DURATION}_count` },
  ];
}

/**
 * Registers a metric whose values are read at each scrape. The registry asks for nothing else of a metric; its type demands what the classes
 * of prom-client have, and numbers for what are strings.
 */
function register(
  registry: Registry,
  name: string,
  help: string,
  type: 'counter' | 'histogram',
  read: () => Value[],
): void {
  const get = async () => ({ name, help, type, aggregator: 'sum', values: read() });
  registry.registerMetric({ name, get } as unknown as Metric);
}
