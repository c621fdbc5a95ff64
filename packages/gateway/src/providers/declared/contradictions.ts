import { PARAMETERS, type Parameter, wireName } from '../../catalogue/fields.ts';
import { nearest } from '../../catalogue/validate/nearest.ts';
import { list } from '../../catalogue/words.ts';
import { COMMON_ACCOUNT } from '../definition.ts';
import { Expression } from './expressions.ts';
import type { ProviderFile } from './schema.ts';

/** What is wrong with a member of a file, by its path. */
export interface Contradiction {
  readonly path: PropertyKey[];
  readonly message: string;
}

/** What the expressions of a submission may read. docs/providers/declare-your-own.md explains each. */
export const REQUEST_NAMES: readonly string[] = [
  ...['model', 'prompt', 'width', 'height', 'source', 'source_video_id', 'key', 'task', 'callback'],
  ...PARAMETERS.map(wireName),
  // Those of `references` that are images without a role.
  'reference_images',
  'auto_duration',
];
/** What those of a call about a job may read. */
const JOB_NAMES = ['id', 'key', 'model'];
/** What those of an upload may read. */
const UPLOAD_NAMES = ['file', 'key', 'model'];
/** Members of an account that are not credentials. */
const TAKEN: readonly string[] = [
  ...Object.keys(COMMON_ACCOUNT),
  'provider',
  'base_url',
  'result_hosts',
  'members',
  'lost_after_seconds',
  'resubmit_unknown',
];

/** What contradicts itself in a file whose members are valid by themselves. */
export const contradictions = (file: ProviderFile): Contradiction[] => [
  ...nameProblems(file),
  ...credentialProblems(file),
  ...bodyProblems(file),
  ...lostProblems(file),
  ...uploadProblems(file),
  ...videoIdProblems(file),
  ...findProblems(file),
  ...idProblems(file),
  ...endProblems(file),
];

interface Clause {
  readonly path: readonly PropertyKey[];
  /** A call of the file, or undefined if it has none. */
  readonly call: object | undefined;
  readonly names: readonly string[];
}

function callsOf({ upload, submit, poll, many, cancel, find, job: { result } }: ProviderFile): Clause[] {
  const finding = [...REQUEST_NAMES, 'page', 'cursor'];
  return [
    { path: ['upload'], call: upload, names: UPLOAD_NAMES },
    { path: ['submit'], call: submit, names: REQUEST_NAMES },
    { path: ['poll'], call: poll, names: JOB_NAMES },
    { path: ['many'], call: many, names: ['ids'] },
    { path: ['cancel'], call: cancel, names: JOB_NAMES },
    { path: ['find', 'by_key'], call: find && 'by_key' in find ? find.by_key : undefined, names: finding },
    { path: ['find', 'list'], call: find && 'list' in find ? find.list : undefined, names: finding },
    { path: ['job', 'result', 'call'], call: 'call' in result ? result.call : undefined, names: JOB_NAMES },
    {
      path: ['job', 'result', 'download'],
      call: 'download' in result ? result.download : undefined,
      names: JOB_NAMES,
    },
  ];
}

/** The members of a call that make the request. The others read the answer. */
const REQUEST_MEMBERS = ['path', 'query', 'headers', 'json', 'multipart'];

/** A name that does not exist would be left out of every request without a word. */
function nameProblems(file: ProviderFile): Contradiction[] {
  return callsOf(file).flatMap(({ path, call, names }) =>
    expressionsOf(call, path).flatMap(({ expression, path }) =>
      expression.names
        .filter((name) => !names.includes(name))
        .map((name) => ({
          path,
          message: `=${expression.text}: there is no ${name} here; ${meant(name, names)}`,
        })),
    ),
  );
}

const expressionsOf = (call: object | undefined, path: readonly PropertyKey[]) =>
  REQUEST_MEMBERS.flatMap((member) => expressionsIn(call && Reflect.get(call, member), [...path, member]));

/** Whether the request of a call depends on one of these names. */
export const reads = (call: object, names: readonly string[]): boolean =>
  expressionsOf(call, []).some(({ expression }) => expression.names.some((name) => names.includes(name)));

function expressionsIn(
  part: unknown,
  path: PropertyKey[],
): { expression: Expression; path: PropertyKey[] }[] {
  if (part instanceof Expression) return [{ expression: part, path }];
  if (typeof part !== 'object' || part === null) return [];
  return Object.entries(part).flatMap(([name, member]) => expressionsIn(member, [...path, name]));
}

function meant(name: string, known: readonly string[]): string {
  const [guess] = nearest(name, known, 1);
  return guess === undefined ? `there are ${list(known, 'and')}` : `did you mean ${guess}?`;
}

/** The credentials that a file uses, each with the path of the member that names it. */
function usedCredentials({ auth, callback }: ProviderFile): [path: PropertyKey[], name: string][] {
  const { kind, ...members } = auth;
  const { claims = {}, ...plain } = { claims: undefined, ...members };
  const names = Object.entries(plain).filter(([member]) => CREDENTIAL_MEMBERS.includes(member));
  return [
    ...names.map(([member, name]): [PropertyKey[], string] => [['auth', member], String(name)]),
    ...Object.entries(claims).map(([claim, name]): [PropertyKey[], string] => [
      ['auth', 'claims', claim],
      name,
    ]),
    ...(callback?.verify.kind === 'hmac'
      ? [[['callback', 'verify', 'secret'], callback.verify.secret] as [PropertyKey[], string]]
      : []),
  ];
}

const CREDENTIAL_MEMBERS = ['token', 'value', 'secret', 'client_id', 'client_secret'];

function credentialProblems(file: ProviderFile): Contradiction[] {
  const names = Object.keys(file.credentials);
  const used = usedCredentials(file);
  return [
    ...used
      .filter(([, name]) => !names.includes(name))
      .map(([path, name]) => ({
        path,
        message: `names the credential ${name}, which credentials does not have`,
      })),
    ...names
      .filter((name) => !used.some(([, other]) => other === name))
      .map((name) => ({ path: ['credentials', name], message: 'is not used by auth or callback' })),
    ...names
      .filter((name) => TAKEN.includes(name))
      .map((name) => ({
        path: ['credentials', name],
        message: 'is a member that every account has; choose another name',
      })),
  ];
}

const bodyProblems = (file: ProviderFile): Contradiction[] => [
  ...optionProblems(file),
  ...callsOf(file)
    .filter(
      ({ call }) =>
        call && Reflect.get(call, 'json') !== undefined && Reflect.get(call, 'multipart') !== undefined,
    )
    .map(({ path }) => ({ path: [...path, 'multipart'], message: 'must not be there together with json' })),
];

/** They would replace a body of another kind. */
function optionProblems({ submit: { options, json } }: ProviderFile): Contradiction[] {
  const takesThem = isMapping(json) && !Array.isArray(json) && !(json instanceof Expression);
  return options.length === 0 || takesThem
    ? []
    : [{ path: ['submit', 'options'], message: 'can only be merged into a json that is a mapping' }];
}

const endProblems = ({ job: { statuses } }: ProviderFile): Contradiction[] =>
  Object.values(statuses).includes('succeeded')
    ? []
    : [{ path: ['job', 'statuses'], message: 'must have a word that means succeeded' }];

/** Other names that tell an upstream the value of a parameter. */
const TOLD_BY: Readonly<Record<string, readonly string[]>> = {
  resolution: ['width', 'height'],
  aspectRatio: ['width', 'height'],
  videoUrl: ['source', 'source_video_id'],
};

/** An entry of the catalogue, whose members need not be valid yet. */
type Entry = Readonly<Record<string, unknown>>;

/** What a caller chooses, pays for, and no request would tell the upstream. */
function lostProblems({ submit, models, upload }: ProviderFile): Contradiction[] {
  const isLost = (...names: string[]) => !reads(submit, names);
  const always = [
    ...(Object.keys(models).length > 0 ? ['prompt'] : []),
    ...(upstreamModels(Object.values(models)).size > 1 ? ['model'] : []),
  ];
  return [
    ...always
      .filter((name) => isLost(name))
      .map((name) => ({
        path: ['submit'],
        message: `must read =${name}, or all requests would ask for the same`,
      })),
    ...Object.entries(models).flatMap(([id, entry]) =>
      lostParameters(submit, entry).map((name) => ({
        path: ['models', id, 'parameters', name],
        message: `is never sent, because submit does not read =${wireName(name)}; send it, or remove it here`,
      })),
    ),
    ...Object.entries(models).flatMap(([id, { parameters }]) => [
      ...(memberOf(memberOf(parameters, 'duration'), 'auto') === true && isLost('auto_duration')
        ? [
            {
              path: ['models', id, 'parameters', 'duration', 'auto'],
              message:
                'is never sent, because submit does not read =auto_duration; send it, or remove it here',
            },
          ]
        : []),
      ...kindsOf(memberOf(parameters, 'references')).flatMap((kind, index) =>
        !upload && memberOf(kind, 'type') === 'video' && memberOf(memberOf(kind, 'limits'), 'by') !== 'url'
          ? [
              {
                path: ['models', id, 'parameters', 'references', 'takes', index],
                message: 'needs limits with by: url, because without upload a video is there only as a link',
              },
            ]
          : [],
      ),
    ]),
  ];
}

const memberOf = (value: unknown, name: string): unknown => (isMapping(value) ? value[name] : undefined);

/** The kinds of references of a model. */
function kindsOf(spec: unknown): readonly unknown[] {
  const takes = memberOf(spec, 'takes');
  return Array.isArray(takes) ? takes : [];
}

/** The same for entries that `models` in onetake.yaml adds to those of a file, or changes. One sentence per problem. */
export function lostByChanges(
  { provider, submit, models }: ProviderFile,
  changed: readonly (Entry & { readonly id: string })[],
): string[] {
  const there = `submit of the file of ${provider}`;
  const others = Object.entries(models)
    .filter(([id]) => !changed.some((one) => one.id === id))
    .map(([, entry]) => entry);
  const isOneModel = reads(submit, ['model']) || upstreamModels([...others, ...changed]).size < 2;
  return changed.flatMap((entry) => [
    ...(isOneModel
      ? []
      : [`models.${entry.id}: ${there} must read =model, or all requests would ask for the same`]),
    ...lostParameters(submit, entry).map(
      (name) =>
        `models.${entry.id}.parameters.${name}: is never sent, because ${there} does not read =${wireName(name)}; send it there, or remove it here`,
    ),
  ]);
}

const lostParameters = (submit: ProviderFile['submit'], { parameters }: Entry) =>
  PARAMETERS.filter(
    (name) =>
      isMapping(parameters) &&
      isChoice(parameters[name]) &&
      !reads(submit, [wireName(name), ...toldBy(name, parameters[name])]),
  );

function toldBy(name: Parameter, spec: unknown): readonly string[] {
  if (name !== 'references') return TOLD_BY[name] ?? [];
  const arePlain = kindsOf(spec).every(
    (kind) => isMapping(kind) && kind.type === 'image' && kind.role === undefined,
  );
  return arePlain ? ['reference_images'] : [];
}

/** The upstream's names of all the models, also for certain requests. */
const upstreamModels = (entries: readonly Entry[]): ReadonlySet<unknown> =>
  new Set(
    entries.flatMap(({ upstreamModel, upstreamModels: others }) => [
      upstreamModel,
      ...(Array.isArray(others) ? others.map((other) => isMapping(other) && other.upstreamModel) : []),
    ]),
  );

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

/** Whether a parameter takes more than one value. A single value need not be told. */
function isChoice(spec: unknown): boolean {
  if (!isMapping(spec)) return false;
  const { allowed, min, max } = spec;
  return Array.isArray(allowed) ? allowed.length > 1 : min === undefined || min !== max;
}

function uploadProblems({ upload, submit }: ProviderFile): Contradiction[] {
  const isRead = expressionsOf(submit, []).some(({ expression }) => /\.uploaded\b/.test(expression.text));
  if (!upload)
    return isRead
      ? [{ path: ['submit'], message: 'reads .uploaded, which only upload gives to an image' }]
      : [];
  return [
    ...(reads(upload, ['file']) ? [] : [{ path: ['upload'], message: 'must send the image, by =file' }]),
    ...(isRead ? [] : [{ path: ['upload'], message: 'is in vain, because submit reads no =image.uploaded' }]),
  ];
}

/** The id of a video is kept for the submissions that start from it. */
function videoIdProblems({ job, submit }: ProviderFile): Contradiction[] {
  const isRead = reads(submit, ['source_video_id']);
  if (job.video_id)
    return isRead
      ? []
      : [{ path: ['job', 'video_id'], message: 'is in vain, because submit reads no =source_video_id' }];
  return isRead
    ? [{ path: ['submit'], message: 'reads =source_video_id, which only job.video_id tells' }]
    : [];
}

function findProblems({ find, submit }: ProviderFile): Contradiction[] {
  if (!find) return [];
  const path = ['find', 'list' in find ? 'list' : 'by_key'];
  const byKey = 'by_key' in find || find.list.marker !== undefined;
  // A job that was never given the key is never found by it. It would count as never made, and be made and billed again.
  if (byKey && !reads(submit, ['key']))
    return [{ path, message: 'a job cannot be known by its key, because submit does not send =key' }];
  if ('by_key' in find)
    return reads(find.by_key, ['key'])
      ? []
      : [{ path, message: 'must read =key, or any job would be taken for the lost one' }];
  const { marker, prompt, created_at: createdAt } = find.list;
  if (marker) return [];
  if (!prompt) return [{ path, message: 'must have marker or prompt, by which a job is recognised' }];
  return createdAt
    ? []
    : [{ path, message: 'must have created_at, because another job may have the same prompt' }];
}

/** Answers about many jobs do not say what was requested. */
function idProblems({ many, job }: ProviderFile): Contradiction[] {
  const found = expressionsIn(job.id, []);
  const path = ['job', 'id'];
  // All jobs would have the same id.
  if (found.length === 0)
    return [{ path, message: 'must read the id from the answer, by an expression, which begins with =' }];
  const asks = found.some(({ expression }) => expression.text.includes('$request'));
  return many && asks
    ? [{ path, message: 'must not read $request, because the answers of many do not have it' }]
    : [];
}
