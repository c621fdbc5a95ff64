import { z } from 'zod';
import { baseUrl, headerValue, isHeaderName, webUrl } from '../../settingSchemas.ts';
import { isReason, type Reason } from '../../tasks/reasons.ts';
import { Pattern } from './bounds/regularExpression.ts';
import { expression, path, template } from './expressions.ts';

const headerName = z.string().refine(isHeaderName, 'must be the name of an HTTP header');
const positive = z.number().positive();

/** A call to the upstream. */
const call = {
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']).optional(),
  path,
  query: z.record(z.string(), template).optional(),
  headers: z.record(headerName, template).optional(),
  /** The body, sent as JSON. */
  json: template.optional(),
  /** The fields of a form. An image is sent as a file. */
  multipart: z.record(z.string(), template).optional(),
};

/** Each names credentials by the names that `credentials` gives them. */
const auth = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  z.strictObject({ kind: z.literal('bearer'), token: z.string() }),
  /** `Authorization: Key …` and the like. */
  z.strictObject({
    kind: z.literal('header'),
    name: headerName,
    value: z.string(),
    prefix: headerValue.default(''),
  }),
  z.strictObject({ kind: z.literal('query'), name: z.string().min(1), value: z.string() }),
  /** A token that is signed with HMAC-SHA256 (RFC 7519), with `exp` and `nbf`. `claims` has the others, each the name of a credential. */
  z.strictObject({
    kind: z.literal('jwt'),
    secret: z.string(),
    claims: z.record(z.string(), z.string()),
    lifetime_seconds: z.int().min(60).default(1800),
  }),
  /** Client credentials (RFC 6749, section 4.4). */
  z.strictObject({
    kind: z.literal('oauth'),
    token_url: webUrl('must be an http or https URL'),
    client_id: z.string(),
    client_secret: z.string(),
    scope: z.string().optional(),
  }),
]);

const reason = z
  .string()
  .refine((word): word is Reason => isReason(word), 'must be a reason of docs/providers/declare-your-own.md');
const pattern = z.string().transform((text, context) => {
  try {
    return new Pattern(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
    return z.NEVER;
  }
});
const code = z.union([z.string(), z.number()]).transform(String);
const status = z.union([z.int(), z.tuple([z.int(), z.int()])]);

/** A call before the submission for each image of a request. */
const upload = z.strictObject({
  ...call,
  /** Sent without asking whether this node may still submit, because it makes no job. */
  method: z.enum(['POST', 'PUT', 'PATCH']).optional(),
  /** In the answer: what the submission reads as `uploaded` of the image. */
  uploaded: expression,
  /** An answer, for the examples. */
  example: z.unknown(),
});

const errors = z.strictObject({
  /** In the body of a refusal, and in that of an answer with 2xx if `when` is true of it. */
  when: expression.optional(),
  code: expression.optional(),
  message: expression.optional(),
  /** Calls about a job that are refused so mean that there is no such job. */
  missing: z
    .array(z.strictObject({ status: status.optional(), code: code.optional() }))
    .default([{ status: 404 }, { status: 410 }]),
  table: z
    .array(
      z
        .strictObject({
          status: status.optional(),
          code: code.optional(),
          code_matches: pattern.optional(),
          message_matches: pattern.optional(),
          reason,
          /** Whether a submission that is refused so may have created a job. Default: only after 5xx, 408, 409 and errors with 2xx. */
          created: z.enum(['no', 'unknown']).optional(),
        })
        .refine((row) => row.code === undefined || row.code_matches === undefined, {
          error: 'must have code or code_matches, not both',
        }),
    )
    .default([]),
});

/** Hosts that links of results may lead to: `cdn.example.com`, or `*.example.com`. Hosts of URLs are in lower case. */
export const HOSTS = z
  .array(
    z
      .string()
      .regex(/^(?:\*\.)?[\w.-]+$/, 'must be a host, or *.host')
      .toLowerCase(),
  )
  .min(1);

/** Where the video of a job that succeeded is. */
const result = z.union(
  [
    z.strictObject({
      /** A link, or a path of the API, which is called with credentials. */
      url: expression,
      /** Default: any. */
      hosts: HOSTS.optional(),
      expires_at: expression.optional(),
    }),
    z.strictObject({ base64: expression }),
    /** The call whose answer is the video. */
    z.strictObject({ download: z.strictObject({ path: call.path, query: call.query }) }),
    /** The call whose answer has the link. It is made again whenever the link is needed. */
    z.strictObject({ call: z.strictObject(call), url: expression, hosts: HOSTS.optional() }),
  ],
  { error: 'must have url, base64, download, or call and url' },
);

const MEANINGS = ['queued', 'in_progress', 'succeeded', 'failed', 'cancelled', 'expired', 'missing'] as const;

/** How what the upstream says of a job is read. Times are milliseconds or seconds UTC, or ISO 8601 with a zone. */
const job = z.strictObject({
  id: template,
  status: expression,
  statuses: z.record(z.string(), z.enum(MEANINGS)),
  progress: expression.optional(),
  queue_position: expression.optional(),
  started_at: expression.optional(),
  ended_at: expression.optional(),
  duration: expression.optional(),
  /** The upstream's own id of the video, if an extension or a remix names it by that. The submission reads it as `source_video_id`. */
  video_id: expression.optional(),
  result,
  error: z.strictObject({ code: expression.optional(), message: expression.optional() }).default({}),
});

/** Where a list is in an answer: `data.items`, or `$` for the answer itself. Not an expression, which cannot tell an empty list from none. */
const listPath = z
  .string()
  .regex(/^(?:\$|[\w-]+(?:\.[\w-]+)*)$/, 'must be a path such as data.items, or $ for the answer itself');

const list = z.strictObject({
  ...call,
  jobs: listPath,
  /** What the job was given as `key` by the submission. */
  marker: expression.optional(),
  prompt: expression.optional(),
  created_at: expression.optional(),
  /** Where the next page begins, for `cursor`. Without it, `page` counts from 1. */
  next: expression.optional(),
  pages: z.int().min(1).max(20).default(5),
  /** Documented: newest jobs come first and none is left out. Then a job that is not found was never made. */
  newest_first: z.boolean().default(false),
});

const callback = z.strictObject({
  verify: z.discriminatedUnion('kind', [
    /** The address has a secret token, for upstreams that sign nothing. */
    z.strictObject({ kind: z.literal('token') }),
    z.strictObject({
      kind: z.literal('hmac'),
      secret: z.string(),
      header: headerName,
      algorithm: z.enum(['sha1', 'sha256', 'sha512']).default('sha256'),
      encoding: z.enum(['hex', 'base64']).default('hex'),
      prefix: z.string().default(''),
      /** The text that is signed. Default: the body. `$raw` is the body, `$headers` the headers in lower case, `$path` the path of the address. */
      signed: expression.optional(),
    }),
  ]),
  /** Default: that of the job. It reads the body, `$query` and `$headers`. */
  id: template.optional(),
});

const limits = z.strictObject({
  in_flight: z.int().positive(),
  submits_per_minute: positive,
  polls_per_second: positive,
  min_poll_interval_ms: z.int().min(100),
});

const recordedAnswer = z.strictObject({
  status: z.int().min(100).max(599).default(200),
  headers: z.record(z.string(), z.string()).default({}),
  body: z.unknown().optional(),
});

/** What is done in an example. */
const ACTIONS = ['submit', 'poll', 'many', 'cancel', 'find'] as const;

const example = z
  .strictObject({
    name: z.string(),
    /** A body as clients send it. */
    submit: z.record(z.string(), z.unknown()).optional(),
    /** The id of a job. */
    poll: z.unknown().optional(),
    /** The ids of jobs. */
    many: z.array(z.unknown()).optional(),
    /** The id of a job. */
    cancel: z.unknown().optional(),
    /** The body of a submission whose answer was lost. */
    find: z.record(z.string(), z.unknown()).optional(),
    /** When that submission was sent. It is looked for ten minutes later. */
    sent_at: z.iso.datetime({ offset: true }).optional(),
    answer: recordedAnswer.optional(),
    /** Answers to several requests, in their order. The last one is given to all further requests. */
    answers: z.array(recordedAnswer).min(1).optional(),
    expect: z.strictObject({
      /** Members of the last request that was sent, or of each: method, path, headers, body. */
      sends: z
        .union([z.array(z.record(z.string(), z.unknown())), z.record(z.string(), z.unknown())])
        .optional(),
      id: z.unknown().optional(),
      state: z
        .enum([
          ...(['queued', 'in_progress', 'succeeded', 'failed', 'missing', 'error'] as const),
          ...(['cancelled', 'pending', 'too_late'] as const),
          ...(['found', 'absent', 'unknown'] as const),
        ])
        .optional(),
      /** Of `many`: the state of each job that is read, by its id. */
      jobs: z.array(z.strictObject({ id: z.unknown(), state: z.string() })).optional(),
      reason: reason.optional(),
      created: z.enum(['no', 'unknown']).optional(),
      result: z.string().optional(),
      video_id: z.string().optional(),
      progress: z.number().optional(),
    }),
  })
  .refine((one) => ACTIONS.filter((action) => one[action] !== undefined).length === 1, {
    error: `must have one of ${ACTIONS.join(', ')}`,
  })
  .refine(({ answer, answers }) => (answer === undefined) !== (answers === undefined), {
    error: 'must have answer, or answers if there are several requests',
  })
  .refine(({ many, expect: { jobs, state } }) => (many ? jobs : state) !== undefined, {
    error: 'must expect a state, or jobs if it is about many',
    path: ['expect'],
  });

/** A file that declares a provider. */
export const ProviderFile = z.strictObject({
  provider: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'may hold lower case letters, digits and - only'),
  title: z.string().min(1),
  /** The documents that it was written from. */
  sources: z.array(z.string()).default([]),
  base_url: baseUrl,
  /** The environment variable that replaces `base_url`. */
  base_url_env: z.string().optional(),
  /** Its servers are the operator's own: an account may be a fleet of several, and a job that is made twice is not billed twice. */
  self_hosted: z.boolean().default(false),
  headers: z.record(headerName, headerValue).default({}),
  /** The secrets of an account, each with the environment variable that it is taken from if no account is configured. */
  credentials: z.record(
    z.string(),
    z.strictObject({ env: z.string().optional(), optional: z.boolean().default(false) }),
  ),
  auth,
  upload: upload.optional(),
  submit: z.strictObject({
    ...call,
    /** Others are sent without asking whether this node may still submit, because they create nothing. */
    method: z.enum(['POST', 'PUT', 'PATCH']).optional(),
    job: expression.optional(),
    /** Members of `provider_options` that are merged into the JSON body. Others are refused. */
    options: z.array(z.string()).default([]),
  }),
  poll: z.strictObject({ ...call, job: expression.optional() }),
  /** One call about many jobs. */
  many: z.strictObject({ ...call, jobs: listPath, most: z.int().min(2).max(1000) }).optional(),
  job,
  errors: errors.prefault({}),
  cancel: z
    .strictObject({
      ...call,
      /** Which jobs the upstream stops. */
      stops: z.enum(['queued', 'any']),
      /** It only accepts the wish, and a later poll shows what became of it. */
      pending: z.boolean().default(false),
    })
    .optional(),
  /** Finding a submission whose answer was lost: by the key that it was given, or in a list. */
  find: z
    .union(
      [
        z.strictObject({ by_key: z.strictObject({ ...call, job: expression.optional() }) }),
        z.strictObject({ list }),
      ],
      {
        error: 'must have by_key or list',
      },
    )
    .optional(),
  callback: callback.optional(),
  limits,
  /** Entries of the catalogue, by id: docs/models.md. */
  models: z.record(z.string(), z.record(z.string(), z.unknown())).default({}),
  examples: z.array(example).default([]),
});

export type ProviderFile = z.output<typeof ProviderFile>;
export type CallClause = Pick<ProviderFile['poll'], keyof typeof call>;
export type AuthClause = ProviderFile['auth'];
export type CallbackClause = NonNullable<ProviderFile['callback']>;
