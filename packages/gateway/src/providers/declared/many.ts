import { withPollAfter } from '../http/retryAfter.ts';
import type { Answer, Provider } from '../provider.ts';
import { Turns } from './bounds/turns.ts';
import { listAt, type Send } from './client.ts';
import { NoSuchJob } from './errors.ts';
import { readId, writeId } from './id.ts';
import type { ReadJob } from './job.ts';
import { fillCall } from './request.ts';
import type { ProviderFile } from './schema.ts';

interface ManyParts {
  readonly file: ProviderFile;
  readonly send: Send;
  readonly readJob: ReadJob;
}

/** Polls many jobs in one call. Those that the answer does not have, or that cannot be read, are left out. */
export function createPollMany(
  many: NonNullable<ProviderFile['many']>,
  { file, send, readJob }: ManyParts,
): NonNullable<Provider['pollMany']> {
  async function readListed(job: unknown): Promise<{ id: string; answer: Answer } | undefined> {
    const id = await writeId(file.job.id, job, {});
    return id === undefined ? undefined : { id, answer: await readJob(job, id) };
  }

  return async (handles, signal) => {
    const ids = handles.flatMap(({ upstreamId }) => readId(file, upstreamId) ?? []);
    const answers = new Map<string, Answer>();
    const sent = await send(await fillCall(many, { ids }, 'GET'), { signal }).catch((error: unknown) => {
      // It tells which of them are missing no more than an empty list does.
      if (error instanceof NoSuchJob) return undefined;
      throw error;
    });
    if (!sent) return answers;
    const turns = new Turns();
    for (const job of listAt(many.jobs, sent.body)) {
      await turns.next();
      // One job that cannot be read must not hide the others.
      const read = await readListed(job).catch(() => undefined);
      if (read) answers.set(read.id, withPollAfter(read.answer, sent.pollAfterMs));
    }
    return answers;
  };
}
