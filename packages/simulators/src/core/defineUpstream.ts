import type { FastifyRequest } from 'fastify';
import { createAccounts } from './accounts.ts';
import { createRequestNotes } from './http/requestNotes.ts';
import { createServer, type Server } from './http/server.ts';
import type { Job } from './jobs/job.ts';
import { createJobs } from './jobs/jobs.ts';
import type { SharedState } from './shared.ts';
import { serveStorage } from './storage/storage.ts';
import type {
  RunningUpstream,
  ServeOptions,
  Settings,
  Upstream,
  UpstreamContext,
  UpstreamDefinition,
} from './upstream.ts';

/** Makes an upstream from its definition. */
export function defineUpstream<S extends Settings, Details>(
  definition: UpstreamDefinition<S, Details>,
): Upstream {
  const { name, title, paceOf } = definition;
  return { name, title, paceOf, serve: (shared, options = {}) => serve(definition, shared, options) };
}

async function serve<S extends Settings, Details>(
  definition: UpstreamDefinition<S, Details>,
  shared: SharedState,
  options: ServeOptions,
): Promise<RunningUpstream> {
  const { name, title } = definition;
  let settings = changed(definition.settings, options.settings ?? {});
  const accounts = createAccounts(definition.keyOf);
  const { key } = accounts.set('default');
  const jobs = createJobs<Details>({
    upstream: name,
    seed: shared.seed,
    clock: shared.clock,
    schedule: shared.schedule,
    endings: definition.endings ?? {},
    givenId: () => shared.faults.givenId(name),
    paceOf: (model) => shared.pace ?? definition.paceOf(model),
    onChange: (job, at) => {
      if (job.state === 'queued') shared.ledger.created(job);
      // Whoever fetches it gets the error.
      if (job.state === 'running' && shared.encodeAhead) context.resultOf(job).catch(() => undefined);
      const bill = job.state === 'succeeded' ? definition.bill(job) : undefined;
      if (bill) shared.ledger.billed(job, bill);
      definition.changed?.(context, job, at);
    },
  });
  const accountOf = (headers: Record<string, unknown>, query: unknown) =>
    accounts.byKey(definition.credentialOf(headers, query));
  const common = {
    upstream: name,
    faults: shared.faults,
    ledger: shared.ledger,
    clock: shared.clock,
    answers: definition.answers,
    tls: shared.tls,
    accountOf: (headers: Record<string, unknown>, query: unknown) => accountOf(headers, query)?.name,
  };
  const notes = createRequestNotes(shared.ledger);
  const front = createServer(common);
  const back = definition.storage && createServer(common);
  const storage =
    definition.storage &&
    back &&
    serveStorage(back.app, {
      style: definition.storage,
      secret: `${shared.seed} ${name}`,
      clock: shared.clock,
      origin: () => back.origin(),
      notes,
    });

  const context: UpstreamContext<S, Details> = {
    name,
    get settings() {
      return settings;
    },
    shared,
    jobs,
    accounts,
    notes,
    get storage() {
      if (!storage) throw new Error(`${name} has no storage in its definition`);
      return storage;
    },
    origin: () => front.origin(),
    accountOf: (request: FastifyRequest) => accountOf(request.headers, request.query),
    timeShown: (ms) => ms + shared.faults.skewMs(name),
    promptShown: (prompt) => shared.faults.reworded(name, prompt),
    resultOf: async (job: Job<Details>, part = 0) =>
      job.plan.lost
        ? undefined
        : shared.videos.bytes(job.delivered, {
            seed: job.seed + part,
            label: `${job.id} ${part}`,
            form: job.plan.form,
          }),
  };
  await definition.routes(front.app, context);
  const servers: readonly Server[] = back ? [front, back] : [front];
  await front.listen(options.port ?? 0);
  await back?.listen(options.storagePort ?? 0);

  return {
    name,
    title,
    url: front.origin(),
    storageUrl: back?.origin(),
    key,
    accounts,
    // From outside, the type of the details is unknown.
    jobs: jobs as unknown as RunningUpstream['jobs'],
    environment: definition.environment(front.origin(), key),
    settings: () => settings,
    configure(change) {
      settings = changed(settings, change);
    },
    outage: async () => void (await Promise.all(servers.map((server) => server.refuse()))),
    restore: async () => void (await Promise.all(servers.map((server) => server.accept()))),
    close: async () => void (await Promise.all(servers.map((server) => server.close()))),
  };
}

function changed<S extends Settings>(settings: S, change: Readonly<Record<string, unknown>>): S {
  for (const [name, value] of Object.entries(change)) {
    if (!Object.hasOwn(settings, name)) {
      throw new TypeError(`unknown setting ${name}; known are ${Object.keys(settings).join(', ')}`);
    }
    if (typeof value !== typeof settings[name]) {
      throw new TypeError(`setting ${name} must be a ${typeof settings[name]}`);
    }
  }
  return { ...settings, ...change };
}
