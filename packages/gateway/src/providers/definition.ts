import { z } from 'zod';
import type { Log } from '../observability/log.ts';
import type { Clock } from '../time/clock.ts';
import type { AccountLimits } from './account.ts';
import type { OpenHttp } from './http/upstreamHttp.ts';
import type { Abilities, Provider } from './provider.ts';
import type { RateShare } from './rates/share.ts';

/** Environment variables, by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What every account may say in onetake.yaml, whatever its provider. */
export interface CommonAccount {
  /** Catalogue ids, or a mapping from catalogue ids to the upstream's own names. */
  readonly models?: readonly string[] | Readonly<Record<string, string>> | undefined;
  readonly limits?: { readonly [L in keyof AccountLimits]?: number | undefined } | undefined;
}

/** What an adapter is opened with, beside its account. */
export interface OpenParts {
  /** The account's name. */
  readonly id: string;
  readonly log: Log;
  readonly clock: Clock;
  /** Undefined where the gateway has no public URL. */
  readonly callback: CallbackAddress | undefined;
  /** This node's part of the account's rates, for an adapter with a rate limiter of its own. All of them by default. */
  readonly share?: RateShare | undefined;
  /** The only way out: what it opens sends while this node holds its lease, and through the operator's proxies. */
  readonly openHttp: OpenHttp;
}

/** Where an upstream can call back about an account. */
export interface CallbackAddress {
  readonly url: string;
  /** Unguessable and this account's alone: for upstreams that do not sign what they send. */
  readonly token: string;
}

/** An adapter bound to an account, and what the catalogue and the engine must know of the account. */
export interface OpenedAccount {
  readonly provider: Provider;
  /** The `provider` of the catalogue entries that it serves, where one definition opens accounts of several providers. Default: the definition's id. */
  readonly providerId?: string;
  /** Which of the provider's regions or services it is at, where they name models differently. */
  readonly region?: string;
  /** Whether it is the provider's own service, which no longer has the models that the catalogue calls retired. */
  readonly retiresModels: boolean;
  readonly limits: AccountLimits;
}

/** One of several accounts that plain environment variables make. */
export interface EnvironmentAccount<A extends CommonAccount> {
  /** Its name, unlike that of any other account. */
  readonly id: string;
  /** As they would be written in the file. */
  readonly members: Record<string, unknown>;
  /** Whether this account of the file takes its place. */
  replacedBy(account: A): boolean;
}

/** How accounts of one provider are described and opened. A new provider is a file of its own and a line in the registry. */
export interface ProviderDefinition<A extends CommonAccount> {
  /** As in `provider` of catalogue entries and of accounts. */
  readonly id: string;
  /** What its adapters can do, by the service that an account is at. */
  readonly abilities: Readonly<Record<string, Abilities>>;
  /** The members of an account in onetake.yaml. `secret` reads `{env: NAME}` or `{file: PATH}`. */
  schema(secret: z.ZodType<string>): z.ZodType<A>;
  /**
   * The account that plain environment variables make, as it would be written in the file; undefined where they make
   * none. A definition whose variables can make several names each.
   */
  fromEnvironment(env: Environment): Record<string, unknown> | readonly EnvironmentAccount<A>[] | undefined;
  /** Throws an `OnetakeError` that says what is wrong with the account and `schema` cannot tell; before anything is opened. */
  check?(account: A, id: string): Promise<void>;
  open(account: A, parts: OpenParts): OpenedAccount | Promise<OpenedAccount>;
}

const positive = z.number().positive();

/** The members that all accounts share, for the schemas of definitions. */
export const COMMON_ACCOUNT = {
  models: z.union([z.array(z.string()).min(1), z.record(z.string(), z.string())]).optional(),
  limits: z
    .strictObject({
      in_flight: z.int().positive().optional(),
      starts_per_minute: positive.optional(),
      asks_per_second: positive.optional(),
      ask_batch: z.int().positive().optional(),
      min_ask_interval_ms: z.int().min(100).optional(),
    })
    .transform((limits) => ({
      inFlight: limits.in_flight,
      startsPerMinute: limits.starts_per_minute,
      asksPerSecond: limits.asks_per_second,
      askBatch: limits.ask_batch,
      minAskIntervalMs: limits.min_ask_interval_ms,
    }))
    .optional(),
};

/** A base URL without a slash at the end. */
export const baseUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .transform((url) => url.replace(/\/+$/, ''));
