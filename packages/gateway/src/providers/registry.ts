import { join } from 'node:path';
import { createNativePool } from '../native/pool.ts';
import type { ProxySettings } from '../net/proxies.ts';
import type { Log } from '../observability/log.ts';
import { OnetakeError } from '../tasks/errors.ts';
import { type Clock, systemClock } from '../time/clock.ts';
import type { Account, AccountLimits } from './account.ts';
import { BUILT_IN, modelsOf } from './accounts.ts';
import { boundCalls } from './boundCalls.ts';
import type { CallbackAddress, CommonAccount, ConfiguredAccount } from './definition.ts';
import { createOpenHttp, type OpenHttp } from './http/upstreamHttp.ts';
import { createMembers, type Members } from './members.ts';
import { createPreviewProvider } from './preview/provider.ts';
import { localPermits, type OpenPermits } from './rates/permits.ts';

/** The upstream accounts of this installation. */
export interface Registry extends Members {
  /** Grows as members of fleets are opened. */
  readonly accounts: readonly Account[];
  close(): Promise<void>;
}

/** The settings that accounts are made from. */
export interface ProviderSettings {
  readonly dataDir: string;
  readonly previewConcurrency: number;
  readonly accounts: readonly ConfiguredAccount[];
}

interface RegistryParts {
  readonly settings: ProviderSettings;
  readonly log: Log;
  readonly clock?: Clock;
  /** Where an upstream can call back about an account; undefined if the gateway has no public URL. */
  readonly callback?: (accountId: string) => CallbackAddress | undefined;
  /** Opens the permits of an account. By default this process is the only one that uses it. */
  readonly permits?: (accountId: string) => OpenPermits;
  /** Whether this node may act for its tasks at this moment. Always true by default. */
  readonly hasLease?: () => boolean;
  readonly proxies?: ProxySettings | undefined;
}

/** The path at which an upstream calls back about an account. */
export const callbackPath = (accountId: string): string => `/callbacks/${accountId}`;

/** Problems of accounts that only loading their packages can show. Opens nothing. */
export async function accountProblems(accounts: readonly ConfiguredAccount[]): Promise<string[]> {
  const problems: string[] = [];
  for (const { id, definition, account } of accounts) {
    try {
      await definition.check?.(account, id);
    } catch (error) {
      if (!(error instanceof OnetakeError)) throw error;
      problems.push(error.message);
    }
  }
  return problems;
}

/** Opens every configured account and the built-in one. */
export async function createRegistry(parts: RegistryParts): Promise<Registry> {
  const { settings, hasLease = () => true, clock = systemClock, proxies } = parts;
  const openHttp = createOpenHttp({ hasLease, clock, proxies });
  const bounded = (account: Account): Account => ({
    ...account,
    provider: boundCalls(account.provider, { account: account.id, log: parts.log }),
  });
  const documented = new Map<string, AccountLimits>();
  async function open(account: ConfiguredAccount): Promise<Account> {
    const opened = await openAccount(account, parts, openHttp);
    documented.set(account.id, opened.documented);
    return bounded(opened.account);
  }
  const accounts = openPreview(parts).map(bounded);
  for (const account of settings.accounts) accounts.push(await open(account));
  return {
    accounts,
    ...createMembers({
      accounts,
      configured: settings.accounts,
      open,
      placesOf: ({ id, account: { limits } }) => limits?.inFlight ?? documented.get(id)?.inFlight,
    }),
    async close() {
      await Promise.all(accounts.map(({ provider }) => provider.close()));
    },
  };
}

async function openAccount(
  { id, definition, account, member }: ConfiguredAccount,
  { log, clock = systemClock, callback, permits = () => localPermits(systemClock) }: RegistryParts,
  openHttp: OpenHttp,
): Promise<{ account: Account; documented: AccountLimits }> {
  const opened = await definition.open(account, {
    id,
    log,
    clock,
    callback: callback?.(id),
    permits: permits(id),
    openHttp,
  });
  const models = modelsOf(account);
  return {
    documented: opened.limits,
    account: {
      id,
      providerId: opened.providerId ?? definition.id,
      provider: opened.provider,
      official: opened.official,
      limits: limitsOf(opened.limits, account),
      tracking: account.tracking,
      ...(opened.service === undefined ? {} : { service: opened.service }),
      ...(opened.protocols ? { protocols: opened.protocols } : {}),
      ...(models ? { models } : {}),
      ...(member ? { member: { ...member } } : {}),
    },
  };
}

/** The provider's documented limits, with the operator's own figures in their place where they are set. */
function limitsOf(documented: AccountLimits, { limits = {} }: CommonAccount): AccountLimits {
  const { inFlight, submitsPerMinute, pollsPerSecond, pollBatch, minPollIntervalMs } = limits;
  return {
    inFlight: inFlight ?? documented.inFlight,
    submitsPerMinute: submitsPerMinute ?? documented.submitsPerMinute,
    pollsPerSecond: pollsPerSecond ?? documented.pollsPerSecond,
    pollBatch: pollBatch ?? documented.pollBatch,
    minPollIntervalMs: minPollIntervalMs ?? documented.minPollIntervalMs,
  };
}

function openPreview({ settings, log, clock = systemClock }: RegistryParts): Account[] {
  const concurrency = settings.previewConcurrency;
  if (concurrency === 0) return [];
  const native = createNativePool({ concurrency, log });
  const provider = createPreviewProvider({ dir: join(settings.dataDir, 'preview'), native, clock, log });
  return [
    {
      id: BUILT_IN,
      providerId: BUILT_IN,
      official: false,
      local: true,
      provider: {
        ...provider,
        async close() {
          await provider.close();
          await native.close();
        },
      },
      limits: {
        // The renderer queues by itself. One waiting job keeps it busy between two jobs.
        inFlight: concurrency + 1,
        submitsPerMinute: 6000,
        pollsPerSecond: 100,
        pollBatch: 1,
        minPollIntervalMs: 250,
      },
    },
  ];
}
