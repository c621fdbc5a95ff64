import { MAKES_NOTHING, UpstreamError } from '../provider.ts';
import { INLINE } from './wire.ts';
import { VERTEX_PARAMETERS } from './request.ts';
import type { VeoService } from './service.ts';

export const STORAGE_URL = 'https://storage.googleapis.com';

/** Where a location is served: the rules of `@google/genai` 3.3.0. */
export function vertexUrl(location: string): string {
  if (location === 'global') return 'https://aiplatform.googleapis.com';
  if (location === 'us' || location === 'eu') return `https://aiplatform.${location}.rep.googleapis.com`;
  return `https://${location}-aiplatform.googleapis.com`;
}

interface VertexParts {
  readonly project: string;
  readonly location: string;
  /** `gs://bucket/folder` for results; without it they come inside the operation. */
  readonly storageUri: string | undefined;
  /** Of Cloud Storage. */
  readonly storageUrl: string;
}

/** Veo on Vertex AI. */
export function vertexService({ project, location, storageUri, storageUrl }: VertexParts): VeoService {
  const models = `/v1/projects/${project}/locations/${location}/publishers/google/models`;
  return {
    parameters: VERTEX_PARAMETERS,
    fixed: storageUri === undefined ? {} : { storageUri },
    // In the operator's own bucket, or in an operation whose life nobody tells.
    keptMs: undefined,
    submitPath: (model) => `${models}/${encodeURIComponent(model)}:predictLongRunning`,
    operationCall: (name) => ({
      method: 'POST',
      maySend: MAKES_NOTHING,
      path: `/v1/${name.split('/operations/')[0]}:fetchPredictOperation`,
      json: { operationName: name },
    }),
    place(uri) {
      const [, bucket, object] = /^gs:\/\/([^/]+)\/(.+)$/s.exec(uri) ?? [];
      if (bucket === undefined || object === undefined) {
        throw new UpstreamError('result_lost', {
          detail: `a result that is in no bucket: ${uri.slice(0, 300)}`,
        });
      }
      // Cloud Storage, JSON API: objects.get.
      const url = `${storageUrl}/storage/v1/b/${encodeURIComponent(bucket)}/o/${encodeURIComponent(object)}?alt=media`;
      return { url, authorised: true };
    },
    sourceVideo: ({ ref }) => (ref === INLINE ? undefined : { gcsUri: ref, mimeType: 'video/mp4' }),
  };
}
