import type { Model } from './model.ts';
import { upstreamModelOf } from './upstream.ts';
import type { Parametrised } from './validate/rules.ts';

/** As much of an upstream account as decides which models it serves, and under which names. */
export interface ModelServer {
  /** The adapter: the `provider` of the catalogue entries that it can serve. */
  readonly providerId: string;
  /** Which of the provider's regions or services the account is at, where they name models differently. */
  readonly region?: string;
  /** Catalogue ids that it serves alone, each with the upstream's name where the account has its own. Absent: all. */
  readonly models?: ReadonlyMap<string, string | undefined>;
  /** Whether it is the provider's own service, which no longer has the models that the catalogue calls retired. */
  readonly retiresModels: boolean;
}

/** Whether a task of this model can be submitted to the account. */
export function serves(server: ModelServer, model: Model): boolean {
  if (server.models) return server.models.has(model.id);
  if (server.providerId !== model.provider) return false;
  return model.lifecycle.state === 'active' || !server.retiresModels;
}

/** What the account calls the model that serves this request. */
export const upstreamModelAt = (server: ModelServer, model: Model, request: Parametrised): string =>
  server.models?.get(model.id) ?? upstreamModelOf(model, request, server.region);
