import type { Account } from '../core/accounts.ts';
import type { OpenAiContext } from './context.ts';
import { refusals } from './errors.ts';
import type { VideoJob } from './video.ts';

/** Jobs that go on although their record is deleted. */
const forgotten = new WeakSet<VideoJob>();

export const forget = (job: VideoJob): void => void forgotten.add(job);

/** The account's videos, oldest first. */
export const videosOf = ({ jobs }: OpenAiContext, account: Account): readonly VideoJob[] =>
  jobs.all().filter((job) => job.account === account.name && !forgotten.has(job));

/** The account's own video. Another account's video does not exist for it. */
export function findVideo(context: OpenAiContext, account: Account, id: string): VideoJob {
  const job = context.jobs.find(id);
  if (!job || job.account !== account.name || forgotten.has(job)) throw refusals.videoNotFound(id);
  return job;
}
