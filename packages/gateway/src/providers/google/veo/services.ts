import type { SourceVideo } from '../../../tasks/request.ts';
import type { Json, ParameterRow } from '../../mapping/body.ts';
import { type Handle, MAKES_NOTHING, type MaySend, UpstreamError } from '../../provider.ts';
import { FILE_KEPT_MS, type Place, placeOfFile } from '../files.ts';
import { GEMINI_PARAMETERS, VERTEX_PARAMETERS } from './request.ts';
import { INLINE } from './wire.ts';

/** The request that polls an operation. It creates nothing, whatever its method. */
type OperationCall =
  | { readonly method: 'GET'; readonly path: string }
  | { readonly method: 'POST'; readonly path: string; readonly json: Json; readonly maySend: MaySend };

/** The differences between Google's two services for Veo: paths, parameters and names of results. Sends nothing itself. */
export interface VeoService {
  readonly parameters: readonly ParameterRow[];
  /** Parameters that are added to every request. */
  readonly fixed: Readonly<Record<string, Json>>;
  /** The path for submissions to a model, after the base URL. */
  submitPath(model: string): string;
  /** The request that polls the operation of a job. */
  operationCall(job: Pick<Handle, 'upstreamId' | 'upstreamModel'>): OperationCall;
  /** Where the bytes of a result are, and whether the account's credentials may go there. */
  place(uri: string): Place;
  /** How a request names the finished video of an earlier task; undefined if the request must contain the bytes. */
  sourceVideo(source: SourceVideo): Json | undefined;
  /** How long a result is kept, counted from the submission. Milliseconds; undefined if not documented. */
  readonly keptMs: number | undefined;
}

/** Veo on the Gemini API. `base` has no version. */
export function geminiService(base: string): VeoService {
  return {
    parameters: GEMINI_PARAMETERS,
    fixed: {},
    keptMs: FILE_KEPT_MS,
    submitPath: (model) => `/v1beta/models/${encodeURIComponent(model)}:predictLongRunning`,
    operationCall: ({ upstreamId }) => ({ method: 'GET', path: `/v1beta/${escaped(upstreamId)}` }),
    place: (uri) => placeOfFile(base, uri),
    sourceVideo: ({ ref }) => ({ uri: ref }),
  };
}

export const STORAGE_URL = 'https://storage.googleapis.com';

/** The address of a location, by the rules of `@google/genai` 3.3.0. */
export function vertexUrl(location: string): string {
  if (location === 'global') return 'https://aiplatform.googleapis.com';
  if (location === 'us' || location === 'eu') return `https://aiplatform.${location}.rep.googleapis.com`;
  return `https://${location}-aiplatform.googleapis.com`;
}

/** The name of a resource as a path: its slashes and colons stay. */
const escaped = (name: string): string => encodeURI(name).replace(/[?#]/g, encodeURIComponent);

/** The model that an operation belongs to, by the name of the operation; undefined if it has another form. */
function modelPathOf(operation: string): string | undefined {
  const [, model] = /^(projects\/.+\/models\/[^/]+)\/operations\//s.exec(operation) ?? [];
  return model === undefined ? undefined : `/v1/${escaped(model)}`;
}

interface VertexParts {
  readonly project: string;
  readonly location: string;
  /** `gs://bucket/folder` for results. Without it they come inside the operation. */
  readonly storageUri: string | undefined;
  /** The base URL of Cloud Storage. */
  readonly storageUrl: string;
}

/** Veo on Vertex AI. */
export function vertexService({ project, location, storageUri, storageUrl }: VertexParts): VeoService {
  const models = `/v1/projects/${project}/locations/${location}/publishers/google/models`;
  const modelPath = (model: string): string => `${models}/${encodeURIComponent(model)}`;
  return {
    parameters: VERTEX_PARAMETERS,
    fixed: storageUri === undefined ? {} : { storageUri },
    // Results are in the operator's own bucket, or in an operation whose lifetime is not documented.
    keptMs: undefined,
    submitPath: (model) => `${modelPath(model)}:predictLongRunning`,
    operationCall: ({ upstreamId: name, upstreamModel }) => ({
      method: 'POST',
      maySend: MAKES_NOTHING,
      path: `${modelPathOf(name) ?? modelPath(upstreamModel)}:fetchPredictOperation`,
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
