import { z } from 'zod';
import { OnetakeError } from '../tasks/errors.ts';
import type { VideoRequest } from '../tasks/request.ts';
import type { Rate } from '../tasks/task.ts';
import { type Clock, systemClock } from '../time/clock.ts';
import { BUILT_IN } from './entries/index.ts';
import { type Model, ModelSchema } from './model.ts';
import { type Delivered, deliveredRate } from './pricing.ts';
import { builtInTitle } from './providerInfo.ts';
import { isOffered, type ModelServer, pricedAt, servedUntil, serves, upstreamModelAt } from './serving.ts';
import { unavailable } from './unavailable.ts';
import { type UpstreamRequest, upstreamRequest } from './upstream.ts';
import { contradictions, idlePrices } from './validate/entry.ts';
import { plainWords } from './validate/plainWords.ts';
import type { ModelLookup } from './validate/request.ts';
import { withoutIdleRules } from './validate/rules.ts';
import { list } from './words.ts';

/** All models of this installation, whether or not they can be used here. */
export interface Catalogue extends ModelLookup {
  /** Whether an account serves the model; false for an unknown id. */
  available(id: string): boolean;
  /** Throws a 503 that names the missing settings if no account serves the model, or a 410 if its services no longer have it. */
  requireAvailable(model: Model): void;
  /** How long the model of a request usually takes; a guess if the catalogue no longer has the model. */
  typicalTime(request: VideoRequest): Model['typical'];
  /** Whether the account can serve the request. No account serves a model that is no longer in the catalogue. */
  servedBy(server: ModelServer, request: VideoRequest): boolean;
  /** When the account ceases to serve the model of the request: milliseconds UTC, or infinity. Undefined if it never served it. */
  servedUntil(server: ModelServer, request: VideoRequest): number | undefined;
  /** What the account calls the model that serves the request. */
  upstreamModelAt(server: ModelServer, request: VideoRequest): string;
  /** The request with all values mapped to ones that the upstream accepts; undefined if the model is no longer in the catalogue. */
  upstreamRequest(request: VideoRequest): UpstreamRequest | undefined;
  /** The rate of a finished video that the account made; undefined if the catalogue has none. */
  deliveredRate(
    server: ModelServer | undefined,
    request: VideoRequest,
    delivered: Delivered,
  ): Rate | undefined;
}

interface CatalogueParts {
  /** Entries of providers that files declare, beside the built-in ones. */
  readonly declared?: readonly DeclaredEntry[];
  /** Changes to built-in entries, and new entries, by id: `models` in onetake.yaml. */
  readonly overrides?: Readonly<Record<string, unknown>>;
  /** The accounts of this installation. */
  readonly servers: readonly ModelServer[];
  /** The wall clock, because services end models on a date. */
  readonly clock?: Clock;
}

/** An entry that was read from a file, and checked by `entryProblems`. */
export interface DeclaredEntry {
  readonly id: string;
  readonly provider: string;
  /** Not a member of the entry. */
  readonly providerTitle: string;
}

/** For a model that is no longer in the catalogue: most models make a video in a minute or two. */
const UNKNOWN_TYPICAL: Model['typical'] = { medianSeconds: 60, p90Seconds: 180 };

/**
 * Everything that is wrong with changes to the catalogue and with the models that accounts name, one sentence per problem. Pure,
 * so that settings can be checked before anything is opened.
 */
export function catalogueProblems(
  overrides: Readonly<Record<string, unknown>>,
  servers: readonly { readonly models?: ModelServer['models'] | undefined }[],
  declared: readonly DeclaredEntry[] = [],
): string[] {
  return problemsOf(readModels(overrides, declared), overrides, servers);
}

const problemsOf = (
  { models, problems }: ReturnType<typeof readModels>,
  overrides: Readonly<Record<string, unknown>>,
  servers: readonly { readonly models?: ModelServer['models'] | undefined }[],
): string[] => [
  ...problems,
  ...unknownModels(servers, [...models.map(({ id }) => id), ...Object.keys(overrides)]),
];

/** The models that changes to the catalogue add or change, without those that are not valid. */
export const changedModels = (
  overrides: Readonly<Record<string, unknown>>,
  declared: readonly DeclaredEntry[],
): readonly Model[] =>
  Object.keys(overrides).length === 0
    ? []
    : readModels(overrides, declared).models.filter(({ id }) => Object.hasOwn(overrides, id));

/** Builds the catalogue. Throws an `OnetakeError` (`invalid_settings`) that lists everything that is wrong with the overrides. */
export function createCatalogue({
  declared = [],
  overrides = {},
  servers,
  clock = systemClock,
}: CatalogueParts): Catalogue {
  const read = readModels(overrides, declared);
  const { models } = read;
  const problems = problemsOf(read, overrides, servers);
  if (problems.length > 0) {
    const message = `The catalogue is not valid:\n  ${problems.join('\n  ')}`;
    throw new OnetakeError('invalid_settings', 400, message);
  }
  const isServed = (model: Model): boolean => servers.some((server) => serves(server, model, clock.now()));
  const byName = new Map(
    models.flatMap((model) => [model.id, ...model.aliases].map((name) => [name, model] as const)),
  );
  /** Undefined if the model has been removed from the catalogue since. The attempt contains enough to finish such a task. */
  const modelOf = ({ model: id }: VideoRequest): Model | undefined => byName.get(id);

  return {
    get: (id) => byName.get(id),
    list: () => models,
    pricedAt: (model) =>
      pricedAt(
        model,
        servers.filter((server) => serves(server, model, clock.now())),
      ),
    offered: () => models.filter((model) => isOffered(model, clock.now())),
    available(id) {
      const model = byName.get(id);
      return model !== undefined && isServed(model);
    },
    requireAvailable(model) {
      if (!isServed(model)) throw unavailable(model, servers, clock.now());
    },
    typicalTime: (request) => modelOf(request)?.typical ?? UNKNOWN_TYPICAL,
    servedBy(server, request) {
      const model = modelOf(request);
      return model !== undefined && serves(server, model, clock.now());
    },
    servedUntil(server, request) {
      const model = modelOf(request);
      return model && servedUntil(server, model);
    },
    upstreamModelAt(server, request) {
      const model = modelOf(request);
      if (!model) throw new Error(`no account serves ${request.model}, which is not in the catalogue`);
      return upstreamModelAt(server, model, request);
    },
    deliveredRate(server, request, delivered) {
      const model = modelOf(request);
      return model && deliveredRate(model, request, delivered, server?.service);
    },
    upstreamRequest(request) {
      const model = modelOf(request);
      return model && upstreamRequest(model, request);
    },
  };
}

/** Models that accounts name but the catalogue does not have. Such an account would never be used, so it is probably a typing mistake. */
function unknownModels(
  servers: readonly { readonly models?: ModelServer['models'] | undefined }[],
  ids: readonly string[],
): string[] {
  const unknown = servers.flatMap(({ models }) =>
    [...(models?.keys() ?? [])].filter((id) => !ids.includes(id)),
  );
  if (unknown.length === 0) return [];
  const names = list([...new Set(unknown)], 'and');
  return [`Accounts name models that the catalogue does not have: ${names}. Add them under "models".`];
}

/** The models whose entries are valid, and everything that is wrong with the others. */
function readModels(
  overrides: Readonly<Record<string, unknown>>,
  declared: readonly DeclaredEntry[],
): { models: Model[]; problems: string[] } {
  const entries = new Map<string, unknown>();
  const problems: string[] = [];
  const titles = new Map(declared.map(({ provider, providerTitle }) => [provider, providerTitle]));
  for (const entry of [...BUILT_IN, ...declared.map(({ providerTitle: _, ...entry }) => entry)]) {
    const other = entries.get(entry.id);
    // In place of another model, it would be sent to another service, at another price.
    if (other === undefined) entries.set(entry.id, entry);
    else problems.push(`models.${entry.id}: ${taken(entry, other)}`);
  }
  for (const [id, change] of Object.entries(overrides)) entries.set(id, merged(entries.get(id), id, change));

  const models: Model[] = [];
  for (const [id, entry] of entries) {
    const parsed = ModelSchema.safeParse(entry, { error: plainWords });
    // If an operator removes a parameter, the rules about it are removed too.
    if (parsed.success) {
      const { provider } = parsed.data;
      const model = { ...parsed.data, providerTitle: titles.get(provider) ?? builtInTitle(provider) };
      models.push(changesAllBut('rules', overrides[id]) ? withoutIdleRules(model) : model);
    } else problems.push(...issues(parsed.error).map((problem) => `models.${id}: ${problem}`));
  }
  const names = new Map<string, string>();
  for (const model of models) {
    // If an operator removes a resolution, its prices stay. Prices that are given must all apply.
    const idle = changesAllBut('price', overrides[model.id]) ? [] : idlePrices(model);
    problems.push(...[...contradictions(model), ...idle].map((problem) => `models.${model.id}: ${problem}`));
    for (const name of [model.id, ...model.aliases]) {
      const other = names.get(name);
      if (other !== undefined) problems.push(`models.${model.id}: ${name} already means ${other}`);
      names.set(name, model.id);
    }
  }
  const declaredProviders = new Set(declared.map(({ provider }) => provider));
  for (const { id, provider, inputs } of models) {
    if (declaredProviders.has(provider) && Object.keys(inputs).length > 0)
      problems.push(`models.${id}: inputs: the file of ${provider} says how its requests look; remove it`);
  }
  for (const { id, services } of models) {
    for (const [service, { end }] of Object.entries(services)) {
      const unknown = end?.successors.filter((successor) => !names.has(successor)) ?? [];
      if (unknown.length > 0)
        problems.push(
          `models.${id}: services.${service}: there is no model ${list(unknown, 'or')} to use instead`,
        );
    }
  }
  return { models, problems };
}

const taken = ({ provider }: Pick<DeclaredEntry, 'provider'>, other: unknown): string =>
  `the file of ${provider} gives it an id that is a model of ${Reflect.get(Object(other), 'provider')}; choose another id there`;

/** What is wrong with an entry by itself. A path is that of the member. */
export function entryProblems(entry: unknown): { path: readonly PropertyKey[]; message: string }[] {
  const parsed = ModelSchema.safeParse(entry, { error: plainWords });
  if (!parsed.success)
    return parsed.error.issues.map((issue) => ({ path: issue.path, message: told(issue) }));
  const model = { ...parsed.data, providerTitle: builtInTitle(parsed.data.provider) };
  return contradictions(model).map((message) => ({ path: [], message }));
}

const changesAllBut = (member: string, change: unknown): boolean =>
  typeof change === 'object' && change !== null && !Object.hasOwn(change, member);

/** Applies a change to an entry. Each member is replaced as a whole, except `parameters`, which are merged one by one; `null` removes one. */
function merged(entry: unknown, id: string, change: unknown): unknown {
  const changed = z.record(z.string(), z.unknown()).safeParse(change);
  // Not a mapping, which the schema reports.
  if (!changed.success) return change;
  const base = z.record(z.string(), z.unknown()).catch({}).parse(entry);
  const before = z.record(z.string(), z.unknown()).catch({}).parse(base.parameters);
  const after = z.record(z.string(), z.unknown()).safeParse(changed.data.parameters ?? {});
  const parameters = after.success
    ? Object.fromEntries(Object.entries({ ...before, ...after.data }).filter(([, spec]) => spec !== null))
    : changed.data.parameters;
  return { ...base, ...changed.data, id, parameters };
}

const issues = (error: z.ZodError): string[] =>
  error.issues.map((issue) =>
    issue.path.length > 0 ? `${issue.path.join('.')}: ${told(issue)}` : told(issue),
  );

/** Members of earlier versions, and what says the same now. */
const REPLACED: Readonly<Record<string, string>> = {
  lifecycle: 'services: { SERVICE: { end: { date, reason, successors } } }',
  upstreamModelByRegion: 'services: { SERVICE: { upstreamModel } }',
  referenceImages: 'references: { kind: references, takes: [{ type: image, max }] }',
};

function told(issue: z.core.$ZodIssue): string {
  const keys = issue.code === 'unrecognized_keys' ? issue.keys : [];
  const advice = keys.flatMap((key) =>
    Object.hasOwn(REPLACED, key) ? `; write ${REPLACED[key]} instead of ${key}` : [],
  );
  return `${issue.message}${advice.join('')}`;
}
