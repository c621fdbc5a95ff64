import { plainImages, type VideoRequest } from '../../tasks/request.ts';
import { UpstreamError } from '../provider.ts';
import type { Send } from './client.ts';
import { reads } from './contradictions.ts';
import { read } from './errors.ts';
import { InputFile } from './inputFile.ts';
import { fillCall, type Scope } from './request.ts';
import type { ProviderFile } from './schema.ts';

type Clauses = Pick<ProviderFile, 'upload' | 'submit'>;

/** Uploads those files in the scope of a submission that it reads, one after another. Throws `UpstreamError`; no job was made then. */
export async function uploadFiles(
  { upload, submit }: Clauses,
  scope: Scope,
  send: Send,
  signal: AbortSignal,
): Promise<void> {
  if (!upload) return;
  const { model, key } = scope;
  const used = Object.keys(scope).filter((name) => reads(submit, [name]));
  const files = used.flatMap((name) => scope[name]).filter((value) => value instanceof InputFile);
  for (const file of files) {
    try {
      const { body } = await send(await fillCall(upload, { model, key, file }, 'POST'), { signal });
      file.uploaded = await read(async () => await upload.uploaded.evaluate(body));
    } catch (error) {
      throw error instanceof UpstreamError ? asNotCreated(error) : error;
    }
    if (file.uploaded === undefined)
      throw new UpstreamError('upstream_unavailable', {
        created: 'no',
        detail: 'an upload was answered without what the submission needs',
      });
  }
}

/** How many files a request has that are uploaded. */
export function countUploads({ upload, submit }: Clauses, request: VideoRequest): number {
  const counts = {
    image: request.image ? 1 : 0,
    last_frame: request.lastFrame ? 1 : 0,
    references: request.references?.length ?? 0,
    reference_images: plainImages(request).length,
  };
  const used = Object.entries(counts).filter(([name]) => upload && reads(submit, [name]));
  return used.reduce((sum, [, count]) => sum + count, 0);
}

const asNotCreated = ({ reason, message, retryAfterMs, ours, detail, cause }: UpstreamError): UpstreamError =>
  new UpstreamError(reason, {
    message,
    created: 'no',
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(ours === undefined ? {} : { ours }),
    ...(detail === undefined ? {} : { detail }),
    cause,
  });
