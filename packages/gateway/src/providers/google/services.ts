import type { SourceVideo } from '../../tasks/request.ts';
import type { Json, ParameterRow } from '../mapping/body.ts';
import { MAKES_NOTHING, type MaySend, UpstreamError } from '../provider.ts';
import { GEMINI_PARAMETERS, VERTEX_PARAMETERS } from './request.ts';
import { INLINE } from './wire.ts';

/** Polls an operation: creates nothing, whatever its verb. */
type OperationCall =
  | { readonly method: 'GET'; readonly path: string }
  | { readonly method: 'POST'; readonly path: string; readonly json: Json; readonly maySend: MaySend };

/** Where Google's two services for Veo differ: paths, parameters and how a result is named. Nothing here asks anybody. */
export interface VeoService {
  readonly parameters: readonly ParameterRow[];
  /** Parameters that every request carries. */
  readonly fixed: Readonly<Record<string, Json>>;
  /** Where a model takes requests, behind the base URL. */
  submitPath(model: string): string;
  /** How to ask about an operation of this name. */
  operationCall(name: string): OperationCall;
  /** Where the bytes of a result are, and whether the account's credentials may go there. */
  place(uri: string): { readonly url: string; readonly authorised: boolean };
  /** How a request names the finished video of an earlier task; undefined where it must bring the bytes. */
  sourceVideo(source: SourceVideo): Json | undefined;
  /** How long a result is kept from the submission on, milliseconds; undefined where nobody says. */
  readonly keptMs: number | undefined;
}

export const GEMINI_URL = 'https://generativelanguage.googleapis.com';

/** "Generated videos are stored on the server for 2 days" (Gemini API, Veo, limitations). Milliseconds. */
const KEPT_MS = 2 * 24 * 3_600_000;

/** Veo on the Gemini API. `base` is without the version. */
export function geminiService(base: string): VeoService {
  return {
    parameters: GEMINI_PARAMETERS,
    fixed: {},
    keptMs: KEPT_MS,
    submitPath: (model) => `/v1beta/models/${encodeURIComponent(model)}:predictLongRunning`,
    operationCall: (name) => ({ method: 'GET', path: `/v1beta/${name}` }),
    place(uri) {
      // The key goes to the account's own base URL alone: files are asked for there by their name, as the SDK does.
      const [, file] = /\/files\/([\w-]+)(?::download)?(?:\?|$)/.exec(uri) ?? [];
      if (file === undefined) return { url: uri, authorised: new URL(uri).origin === new URL(base).origin };
      return { url: `${base}/v1beta/files/${file}:download?alt=media`, authorised: true };
    },
    sourceVideo: ({ ref }) => ({ uri: ref }),
  };
}

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
