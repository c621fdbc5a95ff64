import { defineUpstream } from '../core/defineUpstream.ts';
import type { Upstream, UpstreamContext } from '../core/upstream.ts';
import { announce } from './announce.ts';
import { blobStorage } from './content.ts';
import type { Flavour, OpenAiSettings } from './context.ts';
import { type ErrorFields, errorAnswer, rateLimitAnswer } from './errors.ts';
import { credentialOf, routes } from './routes.ts';
import type { VideoDetails } from './video.ts';

const SETTINGS: OpenAiSettings = {
  tier: 5,
  retired: false,
  redirectContent: false,
  pollAfterMs: 0,
  list: 'paged',
  sparse: false,
  webhookUrl: '',
  cloudStorage: false,
  webhookSecret: `whsec_${Buffer.from('a secret of the simulator').toString('base64')}`,
};

/** The OpenAI Videos API and other services that speak it. */
export function openAiUpstream(flavour: Flavour): Upstream {
  // The context has accessors for settings, so it is extended and not copied.
  const flavoured = (context: UpstreamContext<OpenAiSettings, VideoDetails>) =>
    Object.assign(context, { flavour });
  const worded = (status: number, fields: ErrorFields) => flavour.reshape(errorAnswer(status, fields));
  return defineUpstream<OpenAiSettings, VideoDetails>({
    name: flavour.name,
    title: flavour.title,
    settings: SETTINGS,
    storage: blobStorage,
    endings: { filtered: 'moderation', partial: 'moderation', expiry: 'failure' },
    keyOf: (account) => `sk-simulated-${flavour.name}-${account}`,
    credentialOf: (headers) => credentialOf(headers, flavour.keyHeader),
    routes: (app, context) => routes(app, flavoured(context)),
    paceOf: flavour.paceOf,
    bill: ({ details }) =>
      details.usdPerSecond === 0
        ? undefined
        : {
            quantity: details.billedSeconds,
            unit: 'seconds',
            usd: details.billedSeconds * details.usdPerSecond,
          },
    changed: (context, job, at) => announce(flavoured(context), job, at),
    environment: (origin, key) => flavour.environment(origin, key, SETTINGS.webhookSecret),
    answers: {
      rateLimited: (retryAfter) =>
        flavour.reshape(rateLimitAnswer('Rate limit reached for requests.', retryAfter)),
      unavailable: (status) =>
        worded(status, {
          message: 'The server had an error while processing your request. Sorry about that!',
          type: 'server_error',
        }),
      notFound: (request) => errorAnswer(404, { message: `Invalid URL (${request.method} ${request.url})` }),
      unreadable: (error) =>
        worded(error.statusCode ?? 400, {
          message: 'We could not parse the body of your request. (HINT: it must be JSON or multipart.)',
        }),
    },
  });
}
