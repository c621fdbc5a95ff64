import type { Model } from './model.ts';
import { upstreamModelOf } from './upstream.ts';
import type { Parametrised } from './validate/rules.ts';

/** The properties of an upstream account that decide which models it serves, and under which names. */
export interface ModelServer {
  /** The id of the adapter, which is the `provider` of the catalogue entries that the account can serve. */
  readonly providerId: string;
  /** The provider's region or service, if they name models differently. */
  readonly region?: string;
  /** If set, the account serves only these catalogue ids. A value is the upstream's name of the model for this account. */
  readonly models?: ReadonlyMap<string, string | undefined>;
  /** Whether it is the provider's own service, which no longer has models that the catalogue lists as retired. */
  readonly retiresModels: boolean;
}

/** Whether a task of this model can be submitted to the account. */
export function serves(server: ModelServer, model: Model): boolean {
  if (server.models) return server.models.has(model.id);
  if (server.providerId !== model.provider) return false;
  return model.lifecycle.state === 'active' || !server.retiresModels;
}

/** The account's name of the model that serves this request. */
export const upstreamModelAt = (server: ModelServer, model: Model, request: Parametrised): string =>
  server.models?.get(model.id) ?? upstreamModelOf(model, request, server.region);
