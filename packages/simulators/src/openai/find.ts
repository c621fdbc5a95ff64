import type { Account } from '../core/accounts.ts';
import type { OpenAiContext } from './context.ts';
import { refusals } from './errors.ts';
import type { VideoJob } from './video.ts';

/** The account's own video. Another account's video does not exist for it. */
export function findVideo(context: OpenAiContext, account: Account, id: string): VideoJob {
  const job = context.jobs.find(id);
  if (!job || job.account !== account.name) throw refusals.videoNotFound(id);
  return job;
}
