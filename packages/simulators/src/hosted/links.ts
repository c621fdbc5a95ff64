import type { Job } from '../core/jobs/job.ts';
import { signedLinks } from '../core/storage/signedLinks.ts';
import type { Storage, StorageStyle } from '../core/storage/storage.ts';
import type { Settings, UpstreamContext } from '../core/upstream.ts';

/** Object storage with presigned links, after Amazon S3's "Authenticating requests: query parameters". */
export const presigned: StorageStyle = {
  ...signedLinks('X-Amz', {
    algorithm: 'AWS4-HMAC-SHA256',
    keyId: 'AKIASIMULATED',
    scope: 'us-east-1/s3/aws4_request',
  }),
  ranges: true,
  refusesAuthorization: true,
  refusals: {
    expired: {
      status: 403,
      body: '<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>',
    },
    signature: { status: 403, body: '<Error><Code>SignatureDoesNotMatch</Code></Error>' },
    missing: { status: 404, body: '<Error><Code>NoSuchKey</Code></Error>' },
    authorization: {
      status: 400,
      body: '<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>',
    },
  },
};

/** A link to the video of a job that is over. It works for `keptMs` of the upstream's time after the end of the job. */
export function linkTo<S extends Settings, D>(
  context: UpstreamContext<S, D>,
  job: Job<D>,
  keptMs: number,
): ReturnType<Storage['link']> {
  return context.storage.link(
    {
      job,
      path: `/results/${job.ownId}.mp4`,
      contentType: 'video/mp4',
      bytes: () => context.resultOf(job),
    },
    (job.endedAt ?? 0) + context.shared.clock.kept(keptMs),
  );
}
