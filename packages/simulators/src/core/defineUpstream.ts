import type { FastifyRequest } from 'fastify';
import { createAccounts } from './accounts.ts';
import { createRequestNotes } from './http/requestNotes.ts';
import { createServer, type Server } from './http/server.ts';
import type { Job } from './jobs/job.ts';
import { createJobs } from './jobs/jobs.ts';
import type { World } from './shared.ts';
import { serveStorage } from './storage/storage.ts';
import type {
  RunningUpstream,
  ServeOptions,
  Settings,
  Upstream,
  UpstreamContext,
  UpstreamDefinition,
} from './upstream.ts';

/** Makes an upstream of its definition. */
export function defineUpstream<S extends Settings, Details>(
  definition: UpstreamDefinition<S, Details>,
): Upstream {
  const { name, title } = definition;
  return { name, title, serve: (world, options = {}) => serve(definition, world, options) };
}

async function serve<S extends Settings, Details>(
  definition: UpstreamDefinition<S, Details>,
  world: World,
  options: ServeOptions,
): Promise<RunningUpstream> {
  const { name, title } = definition;
  let settings = changed(definition.settings, options.settings ?? {});
  const accounts = createAccounts(definition.keyOf);
  const { key } = accounts.set('default');
  const jobs = createJobs<Details>({
    upstream: name,
    seed: world.seed,
    clock: world.clock,
    agenda: world.agenda,
    endings: definition.endings ?? {},
    onChange: (job, at) => {
      if (job.state === 'queued') world.ledger.created(job);
      const bill = job.state === 'succeeded' ? definition.bill(job) : undefined;
      if (bill) world.ledger.billed(job, bill);
      definition.changed?.(context, job, at);
    },
  });
  const accountOf = (headers: Record<string, unknown>, query: unknown) =>
    accounts.byKey(definition.credentialOf(headers, query));
  const common = {
    upstream: name,
    faults: world.faults,
    ledger: world.ledger,
    clock: world.clock,
    answers: definition.answers,
    accountOf: (headers: Record<string, unknown>, query: unknown) => accountOf(headers, query)?.name,
  };
  const notes = createRequestNotes(world.ledger);
  const front = createServer(common);
  const back = definition.storage && createServer(common);
  const storage =
    definition.storage &&
    back &&
    serveStorage(back.app, {
      style: definition.storage,
      secret: `${world.seed} ${name}`,
      clock: world.clock,
      origin: () => back.origin(),
      notes,
    });

  const context: UpstreamContext<S, Details> = {
    name,
    get settings() {
      return settings;
    },
    world,
    jobs,
    accounts,
    notes,
    get storage() {
      if (!storage) throw new Error(`${name} has no storage in its definition`);
      return storage;
    },
    origin: () => front.origin(),
    accountOf: (request: FastifyRequest) => accountOf(request.headers, request.query),
    told: (ms) => ms + world.faults.skewMs(name),
    toldPrompt: (prompt) => world.faults.reworded(name, prompt),
    resultOf: async (job: Job<Details>, part = 0) =>
      job.plan.lost
        ? undefined
        : world.videos.bytes(job.delivered, {
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
    // Whoever looks from outside knows nothing of the details.
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
