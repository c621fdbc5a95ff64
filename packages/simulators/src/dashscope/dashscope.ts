import { createHash } from 'node:crypto';
import { defineUpstream } from '../core/defineUpstream.ts';
import type { Answer } from '../core/http/answer.ts';
import type { StorageStyle } from '../core/storage/storage.ts';
import { dashscopeError, ERRORS } from './answers.ts';
import { MODELS } from './models.ts';
import { routes } from './routes.ts';
import { SETTINGS, type WanSettings } from './settings.ts';
import { failureOf, type WanTask } from './tasks.ts';

/** "Object Storage Service, Error responses": XML, whatever was requested. */
const ossError = (status: number, code: string, message: string): Answer => ({
  status,
  body: `<?xml version="1.0" encoding="UTF-8"?>\n<Error>\n  <Code>${code}</Code>\n  <Message>${message}</Message>\n</Error>\n`,
  headers: { 'content-type': 'application/xml' },
});

/** The storage of the videos: signed links of OSS ("Add signatures to URLs"), which accept no other credentials. */
const OSS: StorageStyle = {
  query: (signature, expires) => ({
    Expires: String(expires),
    OSSAccessKeyId: 'LTAI5tSimulator',
    Signature: signature,
  }),
  signatureParam: 'Signature',
  expiresParam: 'Expires',
  ranges: true,
  refusesAuthorization: true,
  refusals: {
    expired: ossError(403, 'AccessDenied', 'Request has expired.'),
    signature: ossError(
      403,
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided.',
    ),
    missing: ossError(404, 'NoSuchKey', 'The specified key does not exist.'),
    authorization: ossError(
      400,
      'InvalidArgument',
      'Authentication by both the Authorization header and the URL is not allowed.',
    ),
  },
};

/** Alibaba DashScope (Model Studio), the video models of Wan, HappyHorse, Kling and Vidu. Sources: its API references and "Asynchronous task management API". */
export const dashscope = defineUpstream<WanSettings, WanTask>({
  name: 'dashscope',
  title: 'Alibaba DashScope (Wan)',
  settings: SETTINGS,
  keyOf: (account) => `sk-${createHash('sha256').update(`dashscope ${account}`).digest('hex').slice(0, 24)}`,
  paceOf: (model) => MODELS[model]?.pace,
  credentialOf: ({ authorization }) =>
    typeof authorization === 'string' ? /^Bearer (.+)$/.exec(authorization)?.[1] : undefined,
  routes,
  answers: {
    rateLimited: (retryAfter) => ({
      ...ERRORS.tooFast(),
      headers: retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) },
    }),
    unavailable: (status) => dashscopeError(status, 'InternalError', 'An internal error has occured.'),
    notFound: () => dashscopeError(404, 'NotFound', 'The path is not found.'),
    unreadable: ({ statusCode = 400 }) =>
      dashscopeError(
        statusCode,
        'InvalidParameter',
        'Required body invalid, please check the request body format.',
      ),
  },
  endings: { filtered: 'moderation', partial: 'moderation', expiry: 'failure' },
  // "Only successful results are counted."
  bill(job) {
    if (failureOf(job)) return undefined;
    const { asked } = job.details;
    // "duration = input_video_duration + output_video_duration".
    const quantity = job.delivered.seconds + (asked?.inputSeconds ?? 0);
    const price = asked && MODELS[job.model]?.usdPerSecond?.[asked.tier];
    return { quantity, unit: 'seconds', ...(price === undefined ? {} : { usd: quantity * price }) };
  },
  storage: OSS,
  environment: (origin, key) => ({ DASHSCOPE_API_KEY: key, DASHSCOPE_BASE_URL: origin }),
});
