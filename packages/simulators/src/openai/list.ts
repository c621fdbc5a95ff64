import { ASSUMPTIONS } from './assumptions.ts';
import { refusals } from './errors.ts';
import type { VideoJob } from './video.ts';

/** OpenAI's public API description: limit 0 to 100. */
const LARGEST_LIMIT = 100;

/** One page, newest first unless `order` is `asc`, beginning after the id `after`. */
export function listVideos(
  jobs: readonly VideoJob[],
  query: Readonly<Record<string, string | undefined>>,
): { jobs: readonly VideoJob[]; more: boolean } {
  const order = query.order ?? 'desc';
  if (order !== 'asc' && order !== 'desc') throw refusals.invalidValue('order', order, ['asc', 'desc']);
  const limit = Number(query.limit ?? ASSUMPTIONS.listLimit);
  if (!Number.isInteger(limit) || limit < 0 || limit > LARGEST_LIMIT) {
    throw refusals.invalidType('limit', `an integer from 0 to ${LARGEST_LIMIT}`, `'${query.limit}'`);
  }
  const ordered = order === 'asc' ? jobs : jobs.toReversed();
  const { after } = query;
  const start = after === undefined ? 0 : ordered.findIndex((job) => job.id === after) + 1;
  if (after !== undefined && start === 0) throw refusals.videoNotFound(after);
  return { jobs: ordered.slice(start, start + limit), more: ordered.length > start + limit };
}
