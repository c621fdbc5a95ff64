import { z } from 'zod';
import { baseUrl } from '../../settingSchemas.ts';
import type { AccountLimits } from '../account.ts';
import {
  COMMON_ACCOUNT,
  type CommonAccount,
  type Environment,
  type ProviderDefinition,
} from '../definition.ts';
import { reads } from './contradictions.ts';
import { abilitiesOf, createDeclaredProvider } from './provider.ts';
import { HOSTS, type ProviderFile } from './schema.ts';

export interface DeclaredAccount extends CommonAccount {
  readonly secrets: Readonly<Record<string, string>>;
  readonly baseUrl: string | undefined;
  readonly resultHosts: readonly string[] | undefined;
}

/** Accounts of the provider that a file declares. */
export const declaredDefinition = (file: ProviderFile): ProviderDefinition<DeclaredAccount> => ({
  id: file.provider,
  abilities: { [file.provider]: abilitiesOf(file) },

  schema(secret) {
    const credentials = Object.entries(file.credentials).map(([name, { optional }]) => [
      name,
      optional ? secret.optional() : secret,
    ]);
    return z
      .strictObject({
        ...COMMON_ACCOUNT,
        base_url: baseUrl.optional(),
        result_hosts: HOSTS.optional(),
        // The names are those of the file. None of them is one of the above.
        ...(Object.fromEntries(credentials) as Record<never, z.ZodType<string>>),
      })
      .transform(({ base_url, result_hosts, tracking, models, limits, ...secrets }) => ({
        tracking,
        models,
        limits,
        secrets: { ...secrets } as Readonly<Record<string, string>>,
        baseUrl: base_url,
        resultHosts: result_hosts,
      }));
  },

  variables: [...Object.values(file.credentials).map(({ env }) => env), file.base_url_env].filter(
    (name) => name !== undefined,
  ),
  fromEnvironment: (env) => membersIn(file, env),

  // An upstream that is told the address with each job knows no other.
  ...(file.callback?.verify.kind === 'hmac' &&
    !reads(file.submit, ['callback']) && {
      callbackSetup: (url) =>
        `register ${url} as the webhook at ${file.title}, and set its secret (${file.callback?.verify.kind === 'hmac' ? file.callback.verify.secret : ''} of the account)`,
    }),

  ...(file.self_hosted
    ? {
        fleet: {
          serverOf: ({ baseUrl }: DeclaredAccount) => baseUrl,
          at: (account: DeclaredAccount, server: string) => ({ ...account, baseUrl: server }),
        },
      }
    : {
        withoutFleet: `If ${file.provider} runs on your own servers, say self_hosted: true in its file.`,
      }),

  open(account, { log, clock, callback, openHttp }) {
    return {
      provider: createDeclaredProvider({
        file,
        baseUrl: account.baseUrl ?? file.base_url,
        secrets: account.secrets,
        resultHosts: account.resultHosts,
        callback,
        clock,
        openHttp,
        log,
      }),
      official: account.baseUrl === undefined,
      limits: limitsOf(file),
    };
  },
});

/**
 * The members of the account that environment variables make: all credentials that are needed must be there. If none is needed, the address must
 * be, or a credential: not everyone has such a server.
 */
function membersIn(
  { credentials, base_url_env: address }: ProviderFile,
  env: Environment,
): Record<string, unknown> | undefined {
  const named = Object.entries(credentials);
  const missing = named.filter(
    ([, { env: variable, optional }]) => !optional && !(variable && env[variable]),
  );
  const url = address === undefined ? undefined : env[address];
  const isNamed = Boolean(url) || named.some(([, { env: variable }]) => variable && env[variable]);
  if (missing.length > 0 || !isNamed) return undefined;
  return {
    ...Object.fromEntries(
      named.flatMap(([name, { env: variable }]) =>
        variable && env[variable] ? [[name, { env: variable }]] : [],
      ),
    ),
    ...(url ? { base_url: url } : {}),
  };
}

function limitsOf({ limits, many }: ProviderFile): AccountLimits {
  return {
    inFlight: limits.in_flight,
    submitsPerMinute: limits.submits_per_minute,
    pollsPerSecond: limits.polls_per_second,
    pollBatch: many?.most ?? 1,
    minPollIntervalMs: limits.min_poll_interval_ms,
  };
}
