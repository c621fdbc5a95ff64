import type { Account } from '../core/accounts.ts';
import { planOf } from '../core/jobs/markers.ts';
import type { Random } from '../core/random.ts';
import { ASSUMPTIONS } from './assumptions.ts';
import { readParameters } from './checks.ts';
import { type Content, readContent } from './content.ts';
import type { ArkContext, Task } from './context.ts';
import { refusals } from './errors.ts';
import { modelsOf, type SeedanceModel } from './models.ts';
import { nearestRatio } from './sizes.ts';
import { brokenRules, checkTaskType } from './taskType.ts';

/** `POST /contents/generations/tasks`. */
export function submit(context: ArkContext, account: Account, body: unknown): Task {
  const fields = typeof body === 'object' && body !== null ? { ...body } : {};
  const [id, model] = admit(context, account, fields);
  const content = readContent('content' in fields ? fields.content : undefined, model);
  const parameters = readParameters(fields, model, content);
  checkTaskType(parameters, content);
  if (planOf(content.text).ending === 'refused') {
    throw content.imageAt === undefined ? refusals.sensitiveText() : refusals.realPerson(content.imageAt);
  }
  const waiting = context.jobs
    .all()
    .filter((job) => job.account === account.name && job.state === 'queued').length;
  if (waiting >= context.settings.queued) throw refusals.queueFull();

  const { resolution, ratio, duration, frames, seed } = parameters;
  const shownRatio = ratio === 'adaptive' ? adapted(model, resolution, content) : ratio;
  const [width, height] = model.sizes[resolution]?.[shownRatio] ?? [1280, 720];
  const asked = duration === -1 ? ASSUMPTIONS.chosenSeconds : duration;
  return context.jobs.submit({
    account: account.name,
    model: id,
    prompt: content.text,
    video: { width, height, seconds: frames === undefined ? asked : frames / 24, audio: parameters.audio },
    newId: (random) => taskId(random, context.shared.clock.now()),
    seed: seed === -1 ? undefined : seed,
    // "Maximum concurrency" counts per model, for all versions and keys of an account together. 4k has a place of its own.
    pool: {
      name: `${account.name} ${model.name}${resolution === '4k' ? ' 4k' : ''}`,
      places: resolution === '4k' ? 1 : context.settings.concurrency,
    },
    expiresAfterMs: parameters.expiresAfter * 1000,
    details: {
      ...parameters,
      model,
      shownRatio,
      videos: content.videos,
      links: content.links,
      ...brokenRules(model, parameters, content),
    },
  });
}

/** The model of the request, if the account may use it now. */
function admit(context: ArkContext, account: Account, fields: object): [id: string, model: SeedanceModel] {
  const id = 'model' in fields ? fields.model : undefined;
  if (typeof id !== 'string' || id === '') throw refusals.missing('model');
  const model = modelsOf(context.region).get(id);
  if (!model || (model.retired && !context.settings.retiredModels)) throw refusals.noModel(id);
  if (account.state === 'overdue') throw refusals.overdue();
  if (account.state === 'forbidden') throw refusals.forbidden();
  if (account.state === 'quota_exhausted') throw refusals.freeQuota(account.name, model.name);
  const limit = { requests: context.settings.requestsPerMinute, perMs: 60_000 };
  if (context.shared.limiter.take(`${context.name} ${account.name} ${model.name}`, limit) > 0) {
    throw refusals.modelRate();
  }
  return [id, model];
}

const adapted = (model: SeedanceModel, resolution: string, { picture }: Content): string =>
  (picture && nearestRatio(model.sizes, resolution, picture)) ?? ASSUMPTIONS.adaptiveRatio;

/** `cgt-20260514183217-t8rzv`: Beijing's date and time, and five characters. */
function taskId(random: Random, now: number): string {
  const beijing = new Date(now + 8 * 3_600_000).toISOString().replace(/\D/g, '').slice(0, 14);
  return `cgt-${beijing}-${random.text(5, '23456789bcdfghjklmnpqrstvwxz')}`;
}
