import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendBytes } from '../core/http/sendBytes.ts';
import type { StorageStyle } from '../core/storage/storage.ts';
import { ASSUMPTIONS } from './assumptions.ts';
import type { OpenAiContext } from './context.ts';
import { refusals } from './errors.ts';
import { expiresAt, type VideoJob } from './video.ts';

/** OpenAI's public API description, schema VideoContentVariant, and the guide for the formats: MP4, WebP, JPEG. */
const VARIANTS = {
  video: { contentType: 'video/mp4', extension: 'mp4' },
  thumbnail: { contentType: 'image/webp', extension: 'webp' },
  spritesheet: { contentType: 'image/jpeg', extension: 'jpg' },
} as const;

type Variant = keyof typeof VARIANTS;

const IN_CLOUD_STORAGE = {
  status: 400,
  message: 'Video has been uploaded to cloud storage. Please use the cloud URL',
};

/** `GET /videos/{id}/content`: the bytes, or a redirect to them. */
export async function sendContent(
  context: OpenAiContext,
  job: VideoJob,
  variant: string,
  { request, reply }: { request: FastifyRequest; reply: FastifyReply },
): Promise<FastifyReply> {
  if (!isVariant(variant)) throw refusals.invalidValue('variant', variant, Object.keys(VARIANTS));
  if (job.state === 'queued' || job.state === 'running') throw refusals.choice(ASSUMPTIONS.contentNotReady);
  if (job.state !== 'succeeded') throw refusals.choice(ASSUMPTIONS.contentOfFailed);
  if (job.plan.lost || context.shared.clock.now() >= expiresAt(job)) {
    throw refusals.choice(ASSUMPTIONS.contentExpired);
  }
  // `download_video_content`: the only copy is there.
  if (context.settings.cloudStorage) throw refusals.choice(IN_CLOUD_STORAGE);
  const { contentType, extension } = VARIANTS[variant];
  if (context.settings.redirectContent) {
    const path = `/videos/${job.ownId}/${variant}.${extension}`;
    const bytes = () => bytesOf(context, job, variant);
    return reply.redirect(context.storage.link({ job, path, contentType, bytes }, expiresAt(job)), 302);
  }
  const bytes = await bytesOf(context, job, variant);
  if (!bytes) throw refusals.choice(ASSUMPTIONS.contentExpired);
  return sendBytes(request, reply, bytes, { contentType, ranges: true });
}

async function bytesOf(context: OpenAiContext, job: VideoJob, variant: Variant): Promise<Buffer | undefined> {
  const { videos } = context.shared;
  switch (variant) {
    case 'video':
      return context.resultOf(job);
    case 'thumbnail':
      return videos.still(job.delivered, job.seed, 'webp');
    case 'spritesheet':
      return videos.spritesheet(job.delivered, job.seed);
  }
}

function isVariant(name: string): name is Variant {
  return Object.hasOwn(VARIANTS, name);
}

/** Blob storage with a shared access signature, after Azure Storage's "Create a service SAS": `se` is the expiry, `sig` the signature. */
export const blobStorage: StorageStyle = {
  query: (signature, expires) => ({ se: String(expires), sp: 'r', sr: 'b', sig: signature }),
  signatureParam: 'sig',
  expiresParam: 'se',
  ranges: true,
  refusesAuthorization: false,
  refusals: {
    expired: { status: 403, body: 'AuthenticationFailed: Signature not valid in the specified time frame' },
    signature: { status: 403, body: 'AuthenticationFailed: Signature did not match' },
    missing: { status: 404, body: 'BlobNotFound: The specified blob does not exist.' },
    authorization: { status: 403, body: 'AuthenticationFailed' },
  },
};
