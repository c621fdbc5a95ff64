import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import { sendBytes } from '../core/http/sendBytes.ts';
import { refusals } from './errors.ts';
import { samplesOf, type VeoContext, type VeoJob } from './veoJob.ts';

/** The `gs://…/` URL of one of the job's videos. Every bucket exists and belongs to the project. */
export const objectUri = ({ ownId, details }: VeoJob, index: number): string =>
  `${details.storageUri}${ownId}/sample_${index}.mp4`;

/** Cloud Storage, JSON API: `objects.get` with `alt=media`, as far as results need it. */
export function bucketRoutes(
  app: FastifyInstance,
  context: VeoContext,
  authenticate: (request: FastifyRequest) => Account,
): void {
  app.get<{ Params: { bucket: string; object: string }; Querystring: { alt?: string } }>(
    '/storage/v1/b/:bucket/o/:object',
    { config: { operation: 'download' } },
    async (request, reply) => {
      const account = authenticate(request);
      const { bucket, object } = request.params;
      const name = `${bucket}/${object}`;
      const [, id = '', index = ''] = /(?:^|\/)([0-9a-f-]{36})\/sample_(\d)\.mp4$/.exec(object) ?? [];
      const job = context.jobs.all().find(({ ownId }) => ownId === id);
      const there =
        job?.state === 'succeeded' &&
        job.account === account.name &&
        Number(index) < samplesOf(job) &&
        objectUri(job, Number(index)) === `gs://${name}`;
      const bytes = there ? await context.resultOf(job, Number(index)) : undefined;
      if (!job || !bytes) throw refusals.object(name);
      context.notes.about(request, job);
      if (request.query.alt !== 'media') {
        return {
          kind: 'storage#object',
          bucket,
          name: object,
          contentType: 'video/mp4',
          size: String(bytes.length),
        };
      }
      return sendBytes(request, reply, bytes, { contentType: 'video/mp4', ranges: true });
    },
  );
}
