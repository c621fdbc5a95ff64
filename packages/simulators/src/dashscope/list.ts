import { createHash, randomUUID } from 'node:crypto';
import { invalidParameter } from './answers.ts';
import { MAX_PAGE_SIZE } from './assumptions.ts';
import { fromCompact } from './beijingTime.ts';
import { MODELS } from './models.ts';
import { isForgotten, statusOf, type WanContext, type WanJob } from './tasks.ts';

/** "Asynchronous task management API": start and end at most 24 hours apart, ten tasks on a page by default. */
const DAY_MS = 24 * 3_600_000;
const PAGE_SIZE = 10;

export type ListQuery = Readonly<Record<string, string | undefined>>;

/** A page of an account's tasks, latest first. It has statuses but no results and no prompts. */
export function listBody(query: ListQuery, owner: string, context: WanContext): unknown {
  const { from, to } = windowOf(query, context);
  const pageNo = wholeOf(query, 'page_no', 1);
  const pageSize = Math.min(MAX_PAGE_SIZE, wholeOf(query, 'page_size', PAGE_SIZE));
  const found = context.jobs
    .all()
    .filter(
      (job) =>
        job.account === owner &&
        !isForgotten(job, context) &&
        job.createdAt >= from &&
        job.createdAt <= to &&
        (query.model_name === undefined || job.model === query.model_name) &&
        (query.task_id === undefined || job.id === query.task_id) &&
        (query.region === undefined || query.region === context.settings.region) &&
        (query.status === undefined || statusOf(job) === query.status),
    )
    .reverse();
  return {
    total: found.length,
    data: found.slice((pageNo - 1) * pageSize, pageNo * pageSize).map((job) => itemOf(job, context)),
    total_page: Math.ceil(found.length / pageSize),
    page_no: pageNo,
    request_id: randomUUID(),
    page_size: pageSize,
  };
}

function itemOf(job: WanJob, context: WanContext): unknown {
  const path = MODELS[job.model]?.path ?? 'video-generation';
  const owner = numberOf(job.account);
  const shown = (ms: number | undefined) =>
    ms === undefined ? undefined : Math.round(context.timeShown(ms));
  return {
    api_key_id: numberOf(job.details.key).slice(0, 6),
    caller_parent_id: owner,
    caller_uid: owner,
    end_time: shown(job.endedAt),
    gmt_create: shown(job.createdAt),
    model_name: job.model,
    region: context.settings.region,
    request_id: job.details.requestId,
    start_time: shown(job.startedAt),
    status: statusOf(job),
    task_id: job.id,
    user_api_unique_key: `apikey:v1:aigc:${path}:video-synthesis:${job.model}`,
  };
}

/** A unique number that stays the same for a name. */
const numberOf = (name: string): string =>
  String(createHash('sha256').update(name).digest().readUIntBE(0, 6)).padStart(16, '1');

function windowOf(query: ListQuery, context: WanContext): { from: number; to: number } {
  const start = timeOf(query, 'start_time');
  const end = timeOf(query, 'end_time');
  const to = end ?? (start === undefined ? context.timeShown(context.shared.clock.now()) : start + DAY_MS);
  const from = start ?? to - DAY_MS;
  if (to - from > DAY_MS || to < from) {
    throw invalidParameter('The interval between start_time and end_time must be within 24 hours.');
  }
  return { from, to };
}

function timeOf(query: ListQuery, name: string): number | undefined {
  const text = query[name];
  if (text === undefined || text === '') return undefined;
  const ms = fromCompact(text);
  if (ms === undefined) throw invalidParameter(`${name} must be like YYYYMMDDhhmmss`);
  return ms;
}

function wholeOf(query: ListQuery, name: string, fallback: number): number {
  const text = query[name];
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw invalidParameter(`${name} must be a positive integer`);
  return value;
}
