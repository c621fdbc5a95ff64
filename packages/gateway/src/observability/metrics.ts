import {
  AggregatorRegistry,
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from 'prom-client';
import { REASONS } from '../tasks/reasons.ts';
import { isTerminal, type Task } from '../tasks/task.ts';
import { createRequestMetrics, type RouteMetrics } from './requestMetrics.ts';

/** Of a gauge that every process reports for all of them: which of these values is shown, once, as theirs. The sum would count it many times. */
type Common = 'max' | 'min';

/** The metrics of the gateway, in the text format of Prometheus. */
export interface Metrics {
  readonly accepted: Counter<'model'>;
  /** Records a transition. Must be called for every one. */
  moved(task: Task): void;
  /** Adds a model that can be used here. The series of its tasks exist from then on, for every way in which one can end. */
  model(id: string): void;
  /** Adds a route of the API. Its series exist from then on, for each of `statuses`. */
  route(method: string, route: string, statuses: readonly number[]): RouteMetrics;
  /** Adds a value that is read at each scrape. A `counter` never decreases. */
  watch(
    type: 'gauge' | 'counter',
    name: string,
    help: string,
    read: () => number | Promise<number>,
    common?: Common,
  ): void;
  readonly contentType: string;
  text(): Promise<string>;
}

/** The metrics of one process at a moment, as another process takes them. */
export type MetricsSnapshot = readonly object[];

/** How the metrics of several processes with one port are shown together: whichever is asked shows those of all. */
export interface SharedMetrics {
  /** What tells this process's apart. They are not added up: a process that starts again would make the sum of a counter fall. */
  readonly labels: Readonly<Record<string, string>>;
  /** Hands over how to read those of this process. */
  share(own: () => Promise<MetricsSnapshot>): void;
  ofAll(): Promise<readonly MetricsSnapshot[]>;
}

/** How this node uses an upstream account. */
interface AccountUse {
  readonly id: string;
  readonly inFlight: number;
  readonly places: number;
  readonly placesUsed: number;
  readonly blocked: boolean;
  readonly callbackReliability: number;
  readonly pollPriceMs: number;
}

/** What this process is to the metrics. */
export interface MetricsProcess {
  readonly sharedMetrics?: SharedMetrics | undefined;
  /** Whether it does nothing else, so that its CPU time, memory and event loop are those of the gateway. */
  readonly processMetrics?: boolean | undefined;
}

/** `unfinished` counts the tasks that this node drives. `accounts` returns how it uses the upstream accounts. */
export function createMetrics(
  unfinished: () => number,
  accounts: () => readonly AccountUse[],
  { version, sharedMetrics: shared, processMetrics }: MetricsProcess & { readonly version: string },
): Metrics {
  const registry = new Registry();
  if (shared) registry.setDefaultLabels(shared.labels);
  const registers = [registry];
  // From the first scrape on: watching collections of garbage costs a tenth of a status query, which nobody pays who does not scrape.
  let showsProcess = !processMetrics;
  const showProcess = () => {
    if (!showsProcess) collectDefaultMetrics({ register: registry });
    showsProcess = true;
  };
  new Gauge({
    name: 'onetake_build_info',
    help: 'Always 1. The version that runs, and the Node.js below it',
    labelNames: ['version', 'node'],
    registers,
    aggregator: 'max',
  }).set({ version, node: process.version }, 1);
  const accepted = new Counter({
    name: 'onetake_tasks_accepted_total',
    help: 'Tasks accepted',
    labelNames: ['model'],
    registers,
  });
  const finished = new Counter({
    name: 'onetake_tasks_finished_total',
    help: 'Tasks finished, by reason: succeeded, or why they failed',
    labelNames: ['model', 'reason'],
    registers,
  });
  const duration = new Histogram({
    name: 'onetake_task_duration_seconds',
    help: 'From acceptance to success',
    labelNames: ['model'],
    buckets: [1, 2, 5, 10, 20, 40, 60, 120, 240, 480, 960],
    registers,
  });
  function watch(
    type: 'gauge' | 'counter',
    name: string,
    help: string,
    read: () => number | Promise<number>,
    common?: Common,
  ): void {
    if (type === 'gauge') {
      new Gauge({
        name,
        help,
        registers,
        aggregator: common ?? 'sum',
        async collect() {
          this.set(await read());
        },
      });
      return;
    }
    new Counter({
      name,
      help,
      registers,
      async collect() {
        const value = await read();
        this.reset();
        this.inc(value);
      },
    });
  }
  watch('gauge', 'onetake_tasks_unfinished', 'Tasks that this node drives', unfinished);
  watchAccounts(registry, accounts);
  shared?.share(async () => {
    showProcess();
    return (await registry.getMetricsAsJSON()).map((metric) => withoutProcess(metric, shared));
  });

  return {
    accepted,
    moved(task) {
      if (!isTerminal(task.phase) || task.deletedAt !== undefined) return;
      const { model } = task.request;
      finished.inc({ model, reason: task.error?.reason ?? 'succeeded' });
      if (task.phase === 'succeeded' && task.completedAt !== undefined) {
        duration.observe({ model }, (task.completedAt - task.createdAt) / 1000);
      }
    },
    model(id) {
      accepted.inc({ model: id }, 0);
      for (const reason of ['succeeded', ...Object.keys(REASONS)]) finished.inc({ model: id, reason }, 0);
    },
    route: createRequestMetrics(registry),
    watch,
    contentType: registry.contentType,
    text() {
      showProcess();
      return shared ? textOfAll(shared) : registry.metrics();
    },
  };
}

function watchAccounts(registry: Registry, accounts: () => readonly AccountUse[]): void {
  const perAccount = (name: string, help: string, read: (use: AccountUse) => number, common?: Common) =>
    new Gauge({
      name,
      help,
      labelNames: ['account'],
      registers: [registry],
      aggregator: common ?? 'sum',
      collect() {
        // Members of fleets come and go.
        this.reset();
        for (const use of accounts()) this.set({ account: use.id }, read(use));
      },
    });
  perAccount(
    'onetake_account_in_flight',
    'Tasks of this node that an upstream account is working on',
    ({ inFlight }) => inFlight,
  );
  perAccount(
    'onetake_account_blocked',
    '1 while an upstream account is left alone after failures, or tried with one task at a time',
    ({ blocked }) => (blocked ? 1 : 0),
  );
  perAccount(
    'onetake_account_places',
    'Tasks that an upstream account may work on at a time',
    ({ places }) => places,
    'max',
  );
  perAccount(
    'onetake_account_places_used',
    'Tasks of all nodes that an upstream account is working on, as far as this node knows',
    ({ placesUsed }) => placesUsed,
    'max',
  );
  perAccount(
    'onetake_account_callback_reliability',
    'Part of the ends of jobs that the callbacks of an upstream account tell, as this node has proof of: 0 without callbacks',
    ({ callbackReliability }) => callbackReliability,
  );
  perAccount(
    'onetake_account_poll_price_seconds',
    'Expected delay that is worth a poll of a job: the higher, the rarer are polls of an upstream account',
    ({ pollPriceMs }) => pollPriceMs / 1000,
  );
}

/** Takes the labels that tell the processes apart from what each reports for all of them. */
function withoutProcess(
  metric: MetricObjectWithValues<MetricValue<string>>,
  { labels: own }: SharedMetrics,
): MetricObjectWithValues<MetricValue<string>> {
  if (metric.aggregator === 'sum') return metric;
  // What prom-client tells of a process it would add up in a way of its own, which says nothing of any of them.
  if (/^(?:process|nodejs)_/.test(metric.name)) return { ...metric, aggregator: 'sum' };
  const values = metric.values.map(({ labels, ...value }) => ({
    ...value,
    labels: Object.fromEntries(Object.entries(labels).filter(([name]) => !(name in own))),
  }));
  return { ...metric, values };
}

async function textOfAll(shared: SharedMetrics): Promise<string> {
  return AggregatorRegistry.aggregate([...(await shared.ofAll())]).metrics();
}
