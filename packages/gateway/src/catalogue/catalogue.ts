import { z } from 'zod';
import { OnetakeError } from '../tasks/errors.ts';
import type { VideoRequest } from '../tasks/request.ts';
import { BUILT_IN } from './entries/index.ts';
import { type Model, ModelSchema } from './model.ts';
import { type Delivered, deliveredRate } from './pricing.ts';
import { providerSettings, providerTitle } from './providerInfo.ts';
import { type ModelServer, serves, upstreamModelAt } from './serving.ts';
import { upstreamParameters, upstreamRequest } from './upstream.ts';
import { contradictions } from './validate/entry.ts';
import { plainWords } from './validate/plainWords.ts';
import type { ModelLookup } from './validate/request.ts';
import { withoutIdleRules } from './validate/rules.ts';
import { list } from './words.ts';

/** All models of this installation, whether or not they can be used here. */
export interface Catalogue extends ModelLookup {
  /** Whether an account serves the model; false for an unknown id. */
  available(id: string): boolean;
  /** Throws a 503 if no account serves the model. It names the missing settings, or says that the model is retired. */
  requireAvailable(model: Model): void;
  /** How long the model of a request usually takes; a guess if the catalogue no longer has the model. */
  typicalTime(request: VideoRequest): Model['typical'];
  /** Whether the account can serve the request. No account serves a model that is no longer in the catalogue. */
  servedBy(server: ModelServer, request: VideoRequest): boolean;
  /** What the account calls the model that serves the request. */
  upstreamModelAt(server: ModelServer, request: VideoRequest): string;
  /** The request with all values mapped to ones that the upstream accepts; undefined if the model is no longer in the catalogue. */
  upstreamRequest(request: VideoRequest): VideoRequest | undefined;
  /** Price per second of the delivered format in micro-units; undefined if the price of the requested format applies. */
  deliveredRate(request: VideoRequest, delivered: Delivered): number | undefined;
}

interface CatalogueParts {
  /** Changes to built-in entries, and new entries, by id: `models` in onetake.yaml. */
  readonly overrides?: Readonly<Record<string, unknown>>;
  /** The accounts of this installation. */
  readonly servers: readonly ModelServer[];
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
): string[] {
  const { models, problems } = readModels(overrides);
  return [...problems, ...unknownModels(servers, [...models.map(({ id }) => id), ...Object.keys(overrides)])];
}

/** Builds the catalogue. Throws an `OnetakeError` (`invalid_settings`) that lists everything that is wrong with the overrides. */
export function createCatalogue({ overrides = {}, servers }: CatalogueParts): Catalogue {
  const { models } = readModels(overrides);
  const problems = catalogueProblems(overrides, servers);
  if (problems.length > 0) {
    const message = `The catalogue is not valid:\n  ${problems.join('\n  ')}`;
    throw new OnetakeError('invalid_settings', 400, message);
  }
  const isServed = (model: Model): boolean => servers.some((server) => serves(server, model));
  const byName = new Map(
    models.flatMap((model) => [model.id, ...model.aliases].map((name) => [name, model] as const)),
  );
  /** Undefined if the model has been removed from the catalogue since. The attempt contains enough to finish such a task. */
  const modelOf = ({ model: id }: VideoRequest): Model | undefined => byName.get(id);

  return {
    get: (id) => byName.get(id),
    list: () => models,
    available(id) {
      const model = byName.get(id);
      return model !== undefined && isServed(model);
    },
    requireAvailable(model) {
      if (!isServed(model)) throw unavailable(model);
    },
    typicalTime: (request) => modelOf(request)?.typical ?? UNKNOWN_TYPICAL,
    servedBy(server, request) {
      const model = modelOf(request);
      return model !== undefined && serves(server, model);
    },
    upstreamModelAt(server, request) {
      const model = modelOf(request);
      if (!model) throw new Error(`no account serves ${request.model}, which is not in the catalogue`);
      return upstreamModelAt(server, model, request);
    },
    deliveredRate(request, delivered) {
      const model = modelOf(request);
      return model && deliveredRate(model, upstreamParameters(model, request), delivered);
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

function unavailable(model: Model): OnetakeError {
  const settings = providerSettings(model.provider);
  const fill =
    settings.length > 0 ? `set ${list(settings, 'and')}` : `configure an account of ${model.provider}`;
  const { lifecycle } = model;
  const message =
    lifecycle.state === 'retired'
      ? `${model.id} was retired on ${lifecycle.since}: ${lifecycle.reason} Use ${list(lifecycle.alternatives, 'or')} instead, or ask the operator to configure an account that still serves it, under accounts in onetake.yaml (docs/providers.md).`
      : `${model.id} has no account here; the operator must ${fill} to use ${providerTitle(model.provider)}.`;
  return new OnetakeError('model_unavailable', 503, message, { param: 'model' });
}

/** The models whose entries are valid, and everything that is wrong with the others. */
function readModels(overrides: Readonly<Record<string, unknown>>): { models: Model[]; problems: string[] } {
  const entries = new Map<string, unknown>(BUILT_IN.map((entry) => [entry.id, entry]));
  const problems: string[] = [];
  for (const [id, change] of Object.entries(overrides)) entries.set(id, merged(entries.get(id), id, change));

  const models: Model[] = [];
  for (const [id, entry] of entries) {
    const parsed = ModelSchema.safeParse(entry, { error: plainWords });
    // If an operator removes a parameter, the rules about it are removed too.
    if (parsed.success)
      models.push(changesAllBut('rules', overrides[id]) ? withoutIdleRules(parsed.data) : parsed.data);
    else problems.push(...issues(parsed.error).map((problem) => `models.${id}: ${problem}`));
  }
  const names = new Map<string, string>();
  for (const model of models) {
    problems.push(...contradictions(model).map((problem) => `models.${model.id}: ${problem}`));
    for (const name of [model.id, ...model.aliases]) {
      const other = names.get(name);
      if (other !== undefined) problems.push(`models.${model.id}: ${name} already means ${other}`);
      names.set(name, model.id);
    }
  }
  for (const { id, lifecycle } of models) {
    if (lifecycle.state !== 'retired') continue;
    const unknown = lifecycle.alternatives.filter((alternative) => !names.has(alternative));
    if (unknown.length > 0)
      problems.push(`models.${id}: there is no model ${list(unknown, 'or')} to use instead`);
  }
  return { models, problems };
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
  error.issues.map(({ path, message }) => (path.length > 0 ? `${path.join('.')}: ${message}` : message));
