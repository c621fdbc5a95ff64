import { randomUUID } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import { type Answer, Refusal } from '../core/http/answer.ts';
import type { JobRequest } from '../core/jobs/job.ts';
import { planOf } from '../core/jobs/markers.ts';
import { BILLING_ERRORS, ERRORS, invalidParameter } from './answers.ts';
import { OSS_UNRESOLVED } from './assumptions.ts';
import { identityOf } from './identity.ts';
import { InvalidRequest } from './inputs.ts';
import { limitRate } from './limitRate.ts';
import { MODELS, type Path, type WanModel } from './models.ts';
import type { WanContext, WanTask } from './tasks.ts';
import { parseRequest, type WanRequest } from './validate.ts';

/** The error of a submission by an account that is not active. */
const STATES: Readonly<Partial<Record<Account['state'], (context: WanContext) => Answer>>> = {
  quota_exhausted: ERRORS.freeTier,
  forbidden: ERRORS.unpurchased,
  overdue: ({ settings }) => (BILLING_ERRORS[settings.billingError] ?? ERRORS.freeTier)(),
};

/** Creates a task or throws the refusal. */
export function submit(path: Path, request: FastifyRequest, account: Account, context: WanContext): unknown {
  if (request.headers['x-dashscope-async'] !== 'enable') throw new Refusal(ERRORS.synchronous());
  const body = fieldsOf(request.body, 'body');
  const name = typeof body.model === 'string' ? body.model : '';
  const model = modelOf(name, path, context);
  // "Rate limits" are per Alibaba account and model.
  const { owner } = identityOf(account.name);
  limitRate(context, `submit ${owner} ${name}`, context.settings.submitsPerSecond);
  const state = STATES[account.state];
  if (state) throw new Refusal(state(context));
  const input = fieldsOf(body.input, 'input');
  const prompt = typeof input.prompt === 'string' ? input.prompt : '';
  if (planOf(prompt).ending === 'refused') throw new Refusal(ERRORS.moderatedInput());

  const checked = resolves(request, input)
    ? check(model, input, fieldsOf(body.parameters ?? {}, 'parameters'))
    : { asked: undefined, invalid: OSS_UNRESOLVED };
  if (checked.invalid !== undefined && context.settings.checksAtSubmit)
    throw invalidParameter(checked.invalid);
  const requestId = randomUUID();
  const job = context.jobs.submit(jobOf(name, model, prompt, checked, { account, requestId, context }));
  context.notes.about(request, job);
  return { output: { task_status: 'PENDING', task_id: job.id }, request_id: requestId };
}

function modelOf(name: string, path: Path, { settings }: WanContext): WanModel {
  const model = Object.hasOwn(MODELS, name) ? MODELS[name] : undefined;
  if (!model || model.regions?.includes(settings.region) === false) throw new Refusal(ERRORS.noModel());
  if (model.path !== path) throw new Refusal(ERRORS.wrongPath());
  return model;
}

/** "Upload local files to get temporary URLs": a request with an `oss://` URL needs a header that asks to resolve it. */
const resolves = ({ headers }: FastifyRequest, input: Fields): boolean =>
  headers['x-dashscope-ossresourceresolve'] === 'enable' || !JSON.stringify(input).includes('"oss://');

type Checked = Pick<WanTask, 'asked' | 'invalid'>;

function check(model: WanModel, input: Fields, parameters: Fields): Checked {
  try {
    return { asked: parseRequest(model, input, parameters), invalid: undefined };
  } catch (error) {
    if (error instanceof InvalidRequest) return { asked: undefined, invalid: error.message };
    throw error;
  }
}

function jobOf(
  name: string,
  _model: WanModel,
  prompt: string,
  { asked, invalid }: Checked,
  { account, requestId, context }: { account: Account; requestId: string; context: WanContext },
): JobRequest<WanTask> {
  const { owner } = identityOf(account.name);
  return {
    account: owner,
    model: name,
    prompt,
    video: asked ? videoOf(asked) : { width: 16, height: 16, seconds: 1, audio: false },
    details: { asked, invalid, key: account.name, requestId },
    // A wrong request fails as soon as a worker takes it.
    atOnce: !asked,
    newId: (random) => random.uuid(),
    seed: asked?.seed,
    // "Tasks processed at the same time": further tasks wait as PENDING.
    ...(context.shared.limiter.enabled
      ? { pool: { name: `${owner} ${name}`, places: context.settings.concurrency } }
      : {}),
  };
}

const videoOf = ({ width, height, seconds, audio }: WanRequest) => ({ width, height, seconds, audio });

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown, name: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw invalidParameter(`Required body invalid, please check the request body format: ${name}`);
}
