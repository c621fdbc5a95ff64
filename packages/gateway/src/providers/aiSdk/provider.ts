import { z } from 'zod';
import type { Log } from '../../observability/log.ts';
import type { Clock } from '../../time/clock.ts';
import { openBytes } from '../http/openResult.ts';
import { pollAfterMs, withPollAfter } from '../http/retryAfter.ts';
import type { Scrub } from '../http/secrets.ts';
import type { UpstreamHttp } from '../http/upstreamHttp.ts';
import { notSent } from '../mapping/inputs.ts';
import { MAKES_NOTHING, type Provider, type Sending, UpstreamError } from '../provider.ts';
import { finished, INLINE, inlineBytes, underWay, withTimes } from './answers.ts';
import { droppedOptions, dropsReferences } from './droppedOptions.ts';
import { askFailure, failedAnswer, startError } from './errors.ts';
import type { PackageRow } from './packageRow.ts';
import { createRecordingFetch, type RecordingFetch } from './recordingFetch.ts';
import { callOptions, refusedOf } from './request.ts';
import type { LoadedPackage, Operation } from './videoModel.ts';

interface AiSdkParts {
  readonly accountId: string;
  readonly row: PackageRow;
  readonly loaded: LoadedPackage;
  /** The address of the account's service, if it is not the package's default. */
  readonly baseUrl: string | undefined;
  readonly http: UpstreamHttp;
  readonly scrub: Scrub;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * A provider for any package of the AI SDK whose video models can be resumed. A package can only start and poll a job. There is no
 * list to search for a lost submission, and no cancelling.
 */
export function createAiSdkProvider({
  accountId,
  row,
  loaded,
  baseUrl,
  http,
  scrub,
  clock,
  log,
}: AiSdkParts): Provider {
  const recordingFor = (modelId: string, { signal, maySend }: Sending): RecordingFetch =>
    createRecordingFetch({ row, modelId, http, maySend, baseUrl, signal });
  const noteVersion = createVersionNotice({ accountId, row, loaded, log });

  async function status(ref: OperationRef, signal: AbortSignal) {
    noteVersion(ref.version);
    const recording = recordingFor(ref.modelId, { signal, maySend: MAKES_NOTHING });
    const situation = { recording, row, scrub, now: clock.now() };
    try {
      const model = loaded.model(ref.modelId, recording.fetch);
      const result = await model.doStatus({ operation: ref.operation, abortSignal: signal });
      return { result, situation };
    } catch (error) {
      return { answer: askFailure(error, situation) };
    }
  }

  /** The reference in a handle. Throws if another package made it. */
  function refOf(upstreamId: string): OperationRef | undefined {
    const ref = readRef(upstreamId);
    if (ref === undefined || ref.package === row.package) return ref;
    throw new UpstreamError('upstream_unavailable', {
      detail: `the job was started with ${ref.package}, and the account uses ${row.package} now`,
    });
  }

  return {
    async submit(job, sending) {
      const options = await callOptions(row, job);
      const modelId = job.upstreamModel;
      if (options.inputReferences && (await dropsReferences(row, loaded, job.request, modelId)))
        throw notSent('The upstream provider takes no references, or not so many');
      const recording = recordingFor(modelId, sending);
      try {
        const { operation, warnings } = await loaded
          .model(modelId, recording.fetch)
          .doStart({ ...options, abortSignal: sending.signal });
        // The catalogue accepts only what the package sends. A warning means that an entry promises too much.
        if (warnings.length > 0) {
          log.warn(
            {
              event: 'upstream.parameter_dropped',
              account: accountId,
              task: job.taskId,
              model: modelId,
              warnings,
            },
            'a package dropped a parameter',
          );
        }
        const ref: OperationRef = { package: row.package, version: loaded.version, modelId, operation };
        return { upstreamId: JSON.stringify(ref), state: 'queued' };
      } catch (error) {
        throw startError(error, { recording, row, scrub, now: clock.now() });
      }
    },

    async refusedOptions(request, upstreamModel) {
      const refused = refusedOf(row, request);
      if (refused.length > 0 || !request.providerOptions) return refused;
      return droppedOptions(row, loaded, request, upstreamModel);
    },

    async poll({ upstreamId }, signal) {
      const ref = refOf(upstreamId);
      if (!ref) return { state: 'missing', detail: 'the AI SDK bridge did not make this upstream id' };
      const { answer, result, situation } = await status(ref, signal);
      if (answer) return answer;
      const wire = situation.recording.answer();
      switch (result.status) {
        case 'completed':
          return withTimes(finished(result), row, wire?.body);
        case 'error':
          return withTimes(failedAnswer(result.error, situation), row, wire?.body);
        default:
          return withPollAfter(underWay(row, wire?.body), wire && pollAfterMs(wire.headers, clock.now()));
      }
    },

    async open({ upstreamId }, { ref }, offset, signal) {
      if (ref !== INLINE) return http.open(ref, { offset, signal, authorised: false });
      const job = refOf(upstreamId);
      const { result } = job ? await status(job, signal) : {};
      const bytes = result?.status === 'completed' ? inlineBytes(result) : undefined;
      if (!bytes)
        throw new UpstreamError('result_lost', { detail: 'the answer no longer contains the video' });
      return openBytes(bytes, offset);
    },

    // Compares the times in answers with those of this gateway.
    ...(row.reports?.endedAt === undefined ? {} : { upstreamTime: http.upstreamTime }),
    close: () => http.close(),
  };
}

/** Logs once that jobs were started with another version, because a package may change its operations between versions. */
function createVersionNotice({
  accountId,
  row,
  loaded,
  log,
}: Pick<AiSdkParts, 'accountId' | 'row' | 'loaded' | 'log'>): (version: string) => void {
  const logged = new Set<string>();
  return (version) => {
    if (version === loaded.version || logged.has(version)) return;
    logged.add(version);
    log.warn(
      {
        event: 'upstream.package_changed',
        account: accountId,
        package: row.package,
        startedWith: version,
        now: loaded.version,
      },
      'a job was started with another version of its package',
    );
  };
}

/** The bridge's reference to a job: the package, and what it needs to poll the job. */
const Ref = z.object({
  package: z.string(),
  version: z.string(),
  modelId: z.string(),
  operation: z.json(),
});

interface OperationRef {
  readonly package: string;
  readonly version: string;
  readonly modelId: string;
  readonly operation: Operation;
}

/** Reads an upstream id; undefined if the bridge did not make it. */
function readRef(upstreamId: string): OperationRef | undefined {
  try {
    const { data } = Ref.safeParse(JSON.parse(upstreamId));
    // The schema has checked that it is JSON. `Operation` is the wider type.
    return data && { ...data, operation: data.operation as Operation };
  } catch {
    return undefined;
  }
}
