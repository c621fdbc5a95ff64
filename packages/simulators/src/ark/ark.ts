import { defineUpstream } from '../core/defineUpstream.ts';
import { signedLinks } from '../core/storage/signedLinks.ts';
import type { StorageStyle } from '../core/storage/storage.ts';
import type { Upstream, UpstreamContext } from '../core/upstream.ts';
import { ASSUMPTIONS } from './assumptions.ts';
import type { ArkContext, ArkSettings, Task, TaskDetails } from './context.ts';
import { errorAnswer } from './errors.ts';
import { modelsOf, type Region } from './models.ts';
import { routes } from './routes.ts';
import { pricePerMillion, statusOf, taskObject, tokensOf } from './task.ts';

const SETTINGS: ArkSettings = {
  concurrency: 10,
  requestsPerMinute: 600,
  queued: ASSUMPTIONS.queued,
  retiredModels: false,
};

/**
 * Seedance in one of its two regions. They share the protocol but no model id. Sources: "Create a video generation task",
 * "Retrieve …", "List …", "Cancel or delete …", "Video generation tutorial", "Error codes" of Volcengine Ark and BytePlus
 * ModelArk.
 */
function arkUpstream(region: Region, name: string, title: string, prefix: string): Upstream {
  // The context has accessors for settings, so it is extended and not copied.
  const regional = (context: UpstreamContext<ArkSettings, TaskDetails>) => Object.assign(context, { region });
  return defineUpstream<ArkSettings, TaskDetails>({
    name,
    title,
    settings: SETTINGS,
    storage: tos,
    endings: { filtered: 'moderation', partial: 'moderation' },
    keyOf: (account) => `ark-simulated-${name}-${account}`,
    credentialOf: ({ authorization }) =>
      typeof authorization === 'string' ? /^Bearer (.+)$/.exec(authorization)?.[1] : undefined,
    routes: (app, context) => routes(app, regional(context)),
    paceOf: (model) => modelsOf(region).get(model)?.pace,
    bill(task) {
      if (statusOf(task) !== 'succeeded') return undefined;
      const quantity = tokensOf(task);
      return { quantity, unit: 'tokens', usd: (quantity * pricePerMillion(task)) / 1e6 };
    },
    changed: (context, task) => announce(regional(context), task),
    environment: (origin, key) => ({
      [`${prefix}ARK_API_KEY`]: key,
      [`${prefix}ARK_BASE_URL`]: `${origin}/api/v3`,
    }),
    answers: {
      rateLimited(retryAfter) {
        const answer = errorAnswer(
          429,
          'ServerOverloaded',
          'The service is currently unable to handle additional requests due to server overload. Please retry later.',
        );
        return retryAfter === undefined
          ? answer
          : { ...answer, headers: { 'retry-after': String(retryAfter) } };
      },
      unavailable: (status) =>
        errorAnswer(
          status,
          'InternalServiceError',
          'The service encountered an unexpected internal error. Please retry later.',
        ),
      notFound: () => errorAnswer(404, 'NotFound', 'The specified path is not found.'),
      unreadable: (error) =>
        errorAnswer(
          error.statusCode ?? 400,
          'InvalidParameter',
          'One or more parameters specified in the request are not valid.',
        ),
    },
  });
}

/** TOS, "Signature in URL" and "Error codes". */
const tos: StorageStyle = {
  ...signedLinks('X-Tos', {
    algorithm: 'TOS4-HMAC-SHA256',
    keyId: 'AKLTsimulated',
    scope: 'cn-beijing/tos/request',
  }),
  ranges: true,
  refusesAuthorization: true,
  refusals: {
    expired: { status: 403, body: { Code: 'AccessDenied', Message: 'Request has expired' } },
    signature: {
      status: 403,
      body: {
        Code: 'SignatureDoesNotMatch',
        Message: 'The request signature we calculated does not match the signature you provided.',
      },
    },
    missing: { status: 404, body: { Code: 'NoSuchKey', Message: 'The specified key does not exist.' } },
    authorization: {
      status: 400,
      body: { Code: 'InvalidArgument', Message: 'Only one auth mechanism allowed.' },
    },
  },
};

export const ark = arkUpstream('volcengine', 'ark', 'Volcengine Ark (Seedance)', '');
export const arkByteplus = arkUpstream(
  'byteplus',
  'ark-byteplus',
  'BytePlus ModelArk (Seedance)',
  'BYTEPLUS_',
);

/** "No acknowledgement within 5 seconds": the time limit of a receiver. Milliseconds. */
const TIMEOUT_MS = 5_000;

/** The callbacks that are retried. A cancelled task gets no callback. */
const TERMINAL: readonly string[] = ['succeeded', 'failed', 'expired'];

/** `callback_url`: the task object, posted unsigned on every change of status. Final states are retried three times. */
function announce(context: ArkContext, task: Task): void {
  const { callbackUrl } = task.details;
  if (callbackUrl === undefined || task.state === 'cancelled') return;
  context.shared.webhooks.send({
    upstream: context.name,
    url: callbackUrl,
    body: JSON.stringify(taskObject(context, task)),
    headers: () => ({}),
    retryMs: TERMINAL.includes(statusOf(task)) ? ASSUMPTIONS.callbackRetryMs : [],
    timeoutMs: TIMEOUT_MS,
  });
}
