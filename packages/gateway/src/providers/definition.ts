import { z } from 'zod';
import type { Protocol } from '../catalogue/providerInfo.ts';
import type { Log } from '../observability/log.ts';
import type { Clock } from '../time/clock.ts';
import { type AccountLimits, type FleetMember, TRACKING, type Tracking } from './account.ts';
import type { OpenHttp } from './http/upstreamHttp.ts';
import type { Abilities, Provider } from './provider.ts';
import type { OpenPermits } from './rates/permits.ts';

/** Environment variables, by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Members that every account may have in onetake.yaml. */
export interface CommonAccount {
  /** Catalogue ids, or a mapping from catalogue ids to the upstream's own names. */
  readonly models?: readonly string[] | Readonly<Record<string, string>> | undefined;
  readonly limits?: { readonly [L in keyof AccountLimits]?: number | undefined } | undefined;
  readonly tracking?: Tracking | undefined;
}

/** What an adapter is opened with, in addition to its account. */
export interface OpenParts {
  /** The account's name. */
  readonly id: string;
  readonly log: Log;
  readonly clock: Clock;
  /** Undefined if the gateway has no public URL. */
  readonly callback: CallbackAddress | undefined;
  /** Opens permits of the account, for an adapter with its own rate limiters. The kind is `<provider>.<what>`. */
  readonly permits: OpenPermits;
  /** Opens the only client that an adapter may send with. It sends while this node holds its lease, and through the operator's proxies. */
  readonly openHttp: OpenHttp;
}

/** Where an upstream can call back about an account. */
export interface CallbackAddress {
  readonly url: string;
  /** Cannot be guessed and belongs to this account only. For upstreams that do not sign their callbacks. */
  readonly token: string;
}

/** An adapter bound to an account, and what the catalogue and the engine must know about the account. */
export interface OpenedAccount {
  readonly provider: Provider;
  /** The `provider` of the catalogue entries that it serves, if one definition opens accounts of several providers. Default: the definition's id. */
  readonly providerId?: string;
  /** The provider's service or region that the account uses, as the catalogue's entries name it. */
  readonly service?: string;
  /** Whether the provider itself runs it. Somebody else's server that speaks the protocol may have any model. */
  readonly official: boolean;
  /** The protocols (`protocol` of an entry) that it speaks besides its provider's usual one. Default: all. */
  readonly protocols?: readonly Protocol[] | undefined;
  readonly limits: AccountLimits;
}

/** One of several accounts made by plain environment variables. */
export interface EnvironmentAccount<A extends CommonAccount> {
  /** Its name, which no other account has. */
  readonly id: string;
  /** Written as in the file. */
  readonly members: Record<string, unknown>;
  /** Whether this account of the file replaces it. */
  replacedBy(account: A): boolean;
}

/** How accounts of one provider are described and opened. A new provider is a definition and a line in `definitions.ts`. */
export interface ProviderDefinition<A extends CommonAccount> {
  /** The `provider` of catalogue entries and accounts. */
  readonly id: string;
  /** What its adapters can do, by the service that an account uses. */
  readonly abilities: Readonly<Record<string, Abilities>>;
  /** The members of an account in onetake.yaml. `secret` reads `{env: NAME}` or `{file: PATH}`. */
  schema(secret: z.ZodType<string>): z.ZodType<A>;
  /** The plain environment variables that `fromEnvironment` may read; it sees no others. The operator is told of each that is set and not used. */
  readonly variables: readonly string[];
  /** Further ones, which other programs read, too: they may be there for those, so nothing is said. */
  readonly sharedVariables?: readonly string[];
  /**
   * The account that plain environment variables make, written as in the file; undefined if they make none. A definition whose
   * variables can make several accounts gives each a name.
   */
  fromEnvironment(env: Environment): Record<string, unknown> | readonly EnvironmentAccount<A>[] | undefined;
  /** Checks what `schema` cannot, before anything is opened. Throws an `OnetakeError` that says what is wrong with the account. */
  check?(account: A, id: string): Promise<void>;
  /**
   * What an operator does at the service and in the account so that it calls back at `url`, as a clause; undefined if the service is not
   * known to call back. Absent if a public URL is enough, or callbacks are not used.
   */
  callbackSetup?(url: string, service: string | undefined): string | undefined;
  /** Present if an account can be a fleet: several servers of one's own, each with its own base URL. */
  readonly fleet?: {
    /** The base URL of the account's server; undefined if the account is one of a service. */
    serverOf(account: A): string | undefined;
    /** The same account at another server. */
    at(account: A, server: string): A;
  };
  /** What an operator can do about it if an account cannot be a fleet, as a sentence. */
  readonly withoutFleet?: string;
  open(account: A, parts: OpenParts): OpenedAccount | Promise<OpenedAccount>;
}

/** A configured account, checked by its definition and with its secrets read. */
export interface ConfiguredAccount {
  readonly id: string;
  readonly definition: ProviderDefinition<CommonAccount>;
  readonly account: CommonAccount;
  /** Set for each member of a fleet, which is an account of its own. */
  readonly member?: FleetMember;
}

const positive = z.number().positive();

/** The members that all accounts share, for the schemas of the definitions. */
export const COMMON_ACCOUNT = {
  tracking: z.enum(TRACKING).optional(),
  models: z.union([z.array(z.string()).min(1), z.record(z.string(), z.string())]).optional(),
  limits: z
    .strictObject({
      in_flight: z.int().positive().optional(),
      submits_per_minute: positive.optional(),
      polls_per_second: positive.optional(),
      poll_batch: z.int().positive().optional(),
      min_poll_interval_ms: z.int().min(100).optional(),
    })
    .transform((limits) => ({
      inFlight: limits.in_flight,
      submitsPerMinute: limits.submits_per_minute,
      pollsPerSecond: limits.polls_per_second,
      pollBatch: limits.poll_batch,
      minPollIntervalMs: limits.min_poll_interval_ms,
    }))
    .optional(),
};
