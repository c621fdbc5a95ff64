import type { Model, ServiceSpec } from './model.ts';
import type { Protocol } from './providerInfo.ts';
import { upstreamModelOf } from './upstream.ts';
import type { Parametrised } from './validate/rules.ts';

/** The properties of an upstream account that decide which models it serves, and under which names. */
export interface ModelServer {
  /** The id of the adapter, which is the `provider` of the catalogue entries that the account can serve. */
  readonly providerId: string;
  /** The provider's service or region that the account uses, as the catalogue's entries name it. */
  readonly service?: string;
  /** If set, the account serves only these catalogue ids. A value is the upstream's name of the model for this account. */
  readonly models?: ReadonlyMap<string, string | undefined>;
  /** Whether the provider itself runs it. Somebody else's server that speaks the protocol may have any model. */
  readonly official: boolean;
  /** The protocols (`protocol` of an entry) that it speaks besides its provider's usual one. Default: all. */
  readonly protocols?: readonly Protocol[];
  /** Set for a member of a fleet. One that is removed gets no new tasks. */
  readonly member?: { readonly isRemoved?: boolean };
}

/** Whether a new task of this model can be submitted to the account. `now` in milliseconds UTC, because services end models on a date. */
export const serves = (server: ModelServer, model: Model, now: number): boolean =>
  now < (servedUntil(server, model) ?? Number.NEGATIVE_INFINITY);

/** When the account ceases to serve the model: milliseconds UTC, or infinity. Undefined if it never served it. */
export function servedUntil(server: ModelServer, model: Model): number | undefined {
  if (server.member?.isRemoved) return undefined;
  if (server.models) return server.models.has(model.id) ? Number.POSITIVE_INFINITY : undefined;
  if (server.providerId !== model.provider) return undefined;
  if (model.protocol && server.protocols?.includes(model.protocol) === false) return undefined;
  if (!server.official) return Number.POSITIVE_INFINITY;
  const { service } = server;
  if (service === undefined || Object.keys(model.services).length === 0) return offeredUntil(model);
  const there = model.services[service];
  return there && endOf(there);
}

/** Whether any service of the provider has the model. */
export const isOffered = (model: Model, now: number): boolean => now < offeredUntil(model);

function offeredUntil({ services }: Model): number {
  const ends = Object.values(services).map(endOf);
  return ends.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...ends);
}

/** Whether the service no longer has the model. */
export const hasEnded = (service: ServiceSpec, now: number): boolean => endOf(service) <= now;

const endOf = ({ end }: ServiceSpec): number => (end ? Date.parse(end.date) : Number.POSITIVE_INFINITY);

/** The services whose prices a task may cost that any of these accounts may serve: all of the model's, if one of theirs is not known. */
export function pricedAt(
  { services }: Model,
  servers: readonly ModelServer[],
): readonly (string | undefined)[] {
  const named = Object.keys(services);
  if (named.length === 0) return [undefined];
  const used = new Set(servers.map(({ service = '' }) => service));
  const isKnown = used.size > 0 && [...used].every((service) => named.includes(service));
  return isKnown ? [...used] : named;
}

/** The account's name of the model that serves this request. */
export const upstreamModelAt = (server: ModelServer, model: Model, request: Parametrised): string =>
  server.models?.get(model.id) ?? upstreamModelOf(model, request, server.service);
