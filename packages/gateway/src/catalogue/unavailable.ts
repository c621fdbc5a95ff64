import { OnetakeError } from '../tasks/errors.ts';
import type { Model } from './model.ts';
import { servicesOf, serviceTitle } from './providerInfo.ts';
import { hasEnded, type ModelServer } from './serving.ts';
import { list } from './words.ts';

type Named<T> = readonly (readonly [service: string, there: T])[];

/** The error for a model that no account serves: its services no longer have it (410), or an account is missing (503). */
export function unavailable(model: Model, servers: readonly ModelServer[], now: number): OnetakeError {
  const services = Object.entries(model.services);
  const live = services.filter(([, there]) => !hasEnded(there, now));
  const used = servers.filter((server) => server.official && server.providerId === model.provider);
  const ended = services
    .filter(([, there]) => hasEnded(there, now))
    .filter(([name]) => live.length === 0 || used.some(({ service }) => service === name));
  if (ended.length > 0) return retired(model, ended, live);
  const message = `${model.id} has no account here; the operator must ${remedy(model, live)} to use ${model.providerTitle}.`;
  return new OnetakeError('model_unavailable', 503, message, { param: 'model' });
}

function retired(
  { id, provider, ...model }: Model,
  ended: Named<Model['services'][string]>,
  live: Named<unknown>,
): OnetakeError {
  const ends = ended.flatMap(([name, { end }]) =>
    end ? [{ title: serviceTitle(provider, name), ...end }] : [],
  );
  const where = list(
    ends.map(({ title, date }) => `${title} since ${date}`),
    'and',
  );
  const reasons = unique(ends.map(({ reason }) => reason)).join(' ');
  const successors = list(unique(ends.flatMap((end) => end.successors)), 'or');
  const still =
    live.length > 0
      ? remedy({ id, provider, ...model }, live)
      : 'configure a server that still has it, under accounts in onetake.yaml';
  const message = `${id} is no longer served by ${where}: ${reasons} Use ${successors} instead, or ask the operator to ${still} (docs/providers.md).`;
  return new OnetakeError('model_retired', 410, message, { param: 'model' });
}

/** What an operator does to serve the model, at any of these services. */
function remedy({ provider }: Model, live: Named<unknown>): string {
  const known = servicesOf(provider);
  const names = live.length > 0 ? live.map(([name]) => name) : Object.keys(known);
  const settings = unique(names.flatMap((name) => known[name]?.settings ?? []));
  return settings.length > 0 ? `set ${list(settings, 'or')}` : `configure an account of ${provider}`;
}

const unique = <T>(items: readonly T[]): T[] => [...new Set(items)];
