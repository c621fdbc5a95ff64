import { z } from 'zod';
import { baseUrl, headerValue, isHeaderName } from '../../settingSchemas.ts';
import {
  COMMON_ACCOUNT,
  type CommonAccount,
  type EnvironmentAccount,
  type ProviderDefinition,
} from '../definition.ts';
import { createScrub } from '../http/secrets.ts';
import { refusalError } from '../mapping/errorTable.ts';
import type { Abilities } from '../provider.ts';
import { isInstalled, loadPackage, notInstalled } from './loadPackage.ts';
import { type PackageRow, unknownPackage } from './packageRow.ts';
import { PACKAGES } from './packages.ts';
import { createAiSdkProvider } from './provider.ts';

interface AiSdkAccount extends CommonAccount {
  readonly row: PackageRow;
  readonly apiKey: string;
  readonly baseUrl: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

/** A package can only start and poll a job. */
const ABILITIES: Abilities = {
  cancel: 'none',
  find: 'none',
  resumeDownload: true,
  batchPolling: false,
  callbacks: false,
  hints: false,
  progress: false,
  queuePosition: false,
  startedAt: false,
  endedAt: false,
  pollAfter: true,
  discard: false,
  resumeJob: false,
  upstreamTime: false,
  fleet: false,
};

/** A package name on npm, so that an account can never name a file or a URL. */
const PACKAGE_NAME = /^(?:@[a-z0-9][\w.-]*\/)?[a-z0-9][\w.-]*$/;
/** Shorter header values are not treated as secrets: they are words that appear in many texts. */
const SECRET_LENGTH = 12;

/** Accounts of every service that has a package of the Vercel AI SDK with resumable video models. */
export const aiSdkDefinition: ProviderDefinition<AiSdkAccount> = {
  id: 'ai-sdk',
  abilities: {
    xai: { ...ABILITIES, progress: true },
    minimax: { ...ABILITIES, endedAt: true, upstreamTime: true },
    fal: { ...ABILITIES, queuePosition: true },
    replicate: { ...ABILITIES, startedAt: true, endedAt: true, upstreamTime: true },
  },

  schema: (secret) =>
    z
      .strictObject({
        ...COMMON_ACCOUNT,
        package: z.string().regex(PACKAGE_NAME, 'must be the name of an npm package'),
        factory: z
          .string()
          .regex(/^[A-Za-z_$][\w$]*$/, 'must be the name of an export')
          .optional(),
        api_key: secret,
        base_url: baseUrl.optional(),
        headers: z
          .record(z.string(), z.union([headerValue, secret]))
          .superRefine((headers, context) => {
            for (const name of Object.keys(headers).filter((name) => !isHeaderName(name))) {
              context.addIssue({ code: 'custom', message: `"${name}" is not the name of an HTTP header` });
            }
          })
          .optional(),
      })
      .transform((members, context) => {
        const { package: name, factory, api_key: apiKey, base_url: url, headers = {}, ...common } = members;
        const row = rowOf(name, factory);
        if (row && !isInstalled(name)) context.addIssue(notInstalled(row));
        if (row) return { ...common, row, apiKey, baseUrl: url, headers };
        const known = PACKAGES.map((one) => one.package).join(', ');
        context.addIssue({
          code: 'custom',
          path: ['factory'],
          message: `must name the export of ${name} that creates its provider; it can be left out for ${known}`,
        });
        return z.NEVER;
      }),

  variables: PACKAGES.flatMap(({ environment: { keys, baseUrl: url } }) => [...keys, url]),
  fromEnvironment: (env) =>
    PACKAGES.flatMap(({ id, package: name, environment }): EnvironmentAccount<AiSdkAccount>[] => {
      const key = environment.keys.find((variable) => env[variable]);
      if (key === undefined) return [];
      const url = env[environment.baseUrl];
      const members = { package: name, api_key: { env: key }, ...(url ? { base_url: url } : {}) };
      return [{ id, members, replacedBy: ({ row }) => row.package === name }];
    }),

  async check({ row, apiKey, baseUrl: url, headers }, id) {
    await loadPackage(row, { apiKey, baseUrl: url, headers }, id);
  },

  async open({ row, apiKey, baseUrl: url, headers }, { id, log, clock, openHttp }) {
    const loaded = await loadPackage(row, { apiKey, baseUrl: url, headers }, id);
    const secrets = [apiKey, ...Object.values(headers).filter((value) => value.length >= SECRET_LENGTH)];
    const http = openHttp({
      baseUrl: url ?? row.baseUrl ?? '',
      // The package authenticates its own requests, and results are downloaded without credentials.
      headers: () => ({}),
      secrets,
      refusal: () => ({}),
      error: (refusal) => refusalError(row.errors, refusal),
    });
    return {
      provider: createAiSdkProvider({
        accountId: id,
        row,
        loaded,
        baseUrl: url,
        http,
        scrub: createScrub(secrets),
        clock,
        log,
      }),
      providerId: row.id,
      service: row.id,
      official: url === undefined,
      limits: row.limits,
    };
  },
};

function rowOf(name: string, factory: string | undefined): PackageRow | undefined {
  const known = PACKAGES.find((row) => row.package === name);
  if (known) return factory === undefined ? known : { ...known, factory };
  return factory === undefined ? undefined : unknownPackage(name, factory);
}
