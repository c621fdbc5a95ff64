import { z } from 'zod';
import { baseUrl, headerValue } from '../../settingSchemas.ts';
import { COMMON_ACCOUNT, type CommonAccount, type ProviderDefinition } from '../definition.ts';
import {
  FLAVOUR_IDS,
  FLAVOURS,
  type Flavour,
  type FlavourId,
  flavourAt,
  isOfficial,
  PAGE_SIZE,
} from './flavours.ts';

interface OpenaiAccount extends CommonAccount {
  readonly api_key?: string | undefined;
  readonly base_url?: string | undefined;
  readonly flavour?: FlavourId | undefined;
  readonly organization?: string | undefined;
  readonly project?: string | undefined;
  readonly webhook_secret?: string | undefined;
  readonly delete_after_collect: boolean;
  readonly json_create?: boolean | undefined;
}

/** Accounts of OpenAI, of Azure OpenAI, and of servers that speak OpenAI's Videos protocol. */
export const openaiDefinition: ProviderDefinition<OpenaiAccount> = {
  id: 'openai',
  abilities: Object.fromEntries(FLAVOUR_IDS.map((id) => [id, FLAVOURS[id].abilities])),

  schema: (secret) =>
    z
      .strictObject({
        /** Required, except for a self-hosted server that needs no key. */
        api_key: secret.optional(),
        /** The part before `/videos`. Default: OpenAI itself. */
        base_url: baseUrl.optional(),
        /** Default: derived from the host of `base_url`. */
        flavour: z.enum(FLAVOUR_IDS).optional(),
        organization: headerValue.optional(),
        project: headerValue.optional(),
        /** The secret (`whsec_…`) of the project's webhook that points to this account's callback address. */
        webhook_secret: secret
          .refine(isWebhookSecret, 'is not what the project shows: whsec_ must be followed by base64')
          .optional(),
        /** Whether the upstream's copy of a video is deleted once the gateway has its own. */
        delete_after_collect: z.boolean().default(false),
        /** For servers that take a request without an image only as JSON. Default: only SGLang Diffusion. */
        json_create: z.boolean().optional(),
        ...COMMON_ACCOUNT,
      })
      .superRefine((account, context) => {
        const flavour = flavourOf(account);
        if (account.api_key === undefined && !FLAVOURS[flavour].keyOptional) {
          context.addIssue({ code: 'custom', path: ['api_key'], message: 'is required' });
        }
        if ((account.limits?.pollBatch ?? 1) > PAGE_SIZE) {
          context.addIssue({
            code: 'custom',
            path: ['limits', 'poll_batch'],
            message: `must be at most ${PAGE_SIZE}, the jobs on a page of the list`,
          });
        }
        if (account.base_url === undefined && FLAVOURS[flavour].baseUrl === undefined) {
          context.addIssue({
            code: 'custom',
            path: ['base_url'],
            message: `is required for the flavour ${flavour}`,
          });
        }
      }),

  variables: [
    'OPENAI_API_KEY',
    'OPENAI_BASE_URL',
    'OPENAI_ORG_ID',
    'OPENAI_PROJECT_ID',
    'OPENAI_WEBHOOK_SECRET',
  ],
  fromEnvironment(env) {
    if (!env.OPENAI_API_KEY) return undefined;
    return {
      api_key: { env: 'OPENAI_API_KEY' },
      ...(env.OPENAI_BASE_URL ? { base_url: env.OPENAI_BASE_URL } : {}),
      ...(env.OPENAI_ORG_ID ? { organization: env.OPENAI_ORG_ID } : {}),
      ...(env.OPENAI_PROJECT_ID ? { project: env.OPENAI_PROJECT_ID } : {}),
      ...(env.OPENAI_WEBHOOK_SECRET ? { webhook_secret: { env: 'OPENAI_WEBHOOK_SECRET' } } : {}),
    };
  },

  callbackSetup: (url, service) =>
    service === 'openai'
      ? `add a webhook for video.completed and video.failed to ${url} at the service, and set its secret (webhook_secret of the account, or OPENAI_WEBHOOK_SECRET)`
      : undefined,

  fleet: {
    serverOf: (account) => (FLAVOURS[flavourOf(account)].abilities.fleet ? account.base_url : undefined),
    at: (account, server) => ({ ...account, base_url: server }),
  },

  async open(account, { log, clock, openHttp }) {
    // Imported only if there is such an account, because the SDK takes a while to load.
    const { createOpenaiProvider } = await import('./provider.ts');
    const service = flavourOf(account);
    const flavour = FLAVOURS[service];
    const base = baseOf(account, flavour);
    const provider = createOpenaiProvider({
      baseUrl: base,
      headers: {
        ...(account.api_key === undefined ? {} : flavour.keyHeader(account.api_key)),
        ...(account.organization === undefined ? {} : { 'openai-organization': account.organization }),
        ...(account.project === undefined ? {} : { 'openai-project': account.project }),
      },
      secrets: [account.api_key, account.webhook_secret].filter((secret) => secret !== undefined),
      webhookSecret: account.webhook_secret,
      deleteCancels: flavour.abilities.cancel === 'any',
      deleteAfterCollect: account.delete_after_collect,
      isOwnServer: flavour.abilities.fleet,
      jsonCreate: account.json_create ?? flavour.jsonCreate ?? false,
      linksResults: flavour.linksResults ?? false,
      pollsByList: (account.limits?.pollBatch ?? flavour.limits.pollBatch) > 1,
      clock,
      openHttp,
      log,
    });
    return { provider, service, official: isOfficial(flavour, base), limits: flavour.limits };
  },
};

/** Standard Webhooks: base64 follows `whsec_`. Without that prefix any text is the secret. Node also reads base64 for URLs. */
function isWebhookSecret(secret: string): boolean {
  const [, bytes] = /^whsec_(.*)$/s.exec(secret) ?? [];
  if (bytes === undefined) return true;
  return /^[\w+/-]+={0,2}$/.test(bytes) && bytes.replaceAll('=', '').length % 4 !== 1;
}

const flavourOf = ({ flavour, base_url: url }: Pick<OpenaiAccount, 'flavour' | 'base_url'>): FlavourId =>
  flavour ?? flavourAt(url);

function baseOf({ base_url: given }: OpenaiAccount, { baseUrl: own, path = '' }: Flavour): string {
  const base = given ?? own;
  if (base === undefined) throw new Error('an account without a base URL was let through');
  return new URL(base).pathname === '/' ? `${base}${path}` : base;
}
