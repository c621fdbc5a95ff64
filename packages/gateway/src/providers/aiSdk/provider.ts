import { Readable } from 'node:stream';
import { z } from 'zod';
import type { Log } from '../../observability/log.ts';
import type { Clock } from '../../time/clock.ts';
import { pollAfterMs, withPollAfter } from '../http/retryAfter.ts';
import type { Scrub } from '../http/secrets.ts';
import type { UpstreamHttp } from '../http/upstreamHttp.ts';
import { MAKES_NOTHING, type OpenedResult, type Provider, type Sending, UpstreamError } from '../provider.ts';
import { finished, INLINE, inlineBytes, underWay, withTimes } from './answers.ts';
import { askFailure, failedAnswer, startError } from './errors.ts';
import type { PackageRow } from './packageRow.ts';
import { createRecordingFetch, type RecordingFetch } from './recordingFetch.ts';
import { callOptions } from './request.ts';
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
  const recordingFor = ({ signal, maySend }: Sending): RecordingFetch =>
    createRecordingFetch({ row, http, maySend, baseUrl, signal });
  const noteVersion = createVersionNotice({ accountId, row, loaded, log });

  async function status(ref: OperationRef, signal: AbortSignal) {
    noteVersion(ref.version);
    const recording = recordingFor({ signal, maySend: MAKES_NOTHING });
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
      const recording = recordingFor(sending);
      const modelId = job.upstreamModel;
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
        const upstreamId = writeRef({ package: row.package, version: loaded.version, modelId, operation });
        if (upstreamId !== undefined) return { upstreamId, state: 'queued' };
      } catch (error) {
        throw startError(error, { recording, row, scrub, now: clock.now() });
      }
      throw new UpstreamError('upstream_failed', {
        detail: `${row.package} returned an operation that is too long to be stored`,
      });
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
      return opened(bytes, offset);
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

const opened = (bytes: Buffer, offset: number): OpenedResult => ({
  // A byte stream, not a stream of one object. An empty chunk would not end it.
  stream: Readable.from(offset < bytes.length ? [bytes.subarray(offset)] : [], { objectMode: false }),
  bytes: bytes.length,
  offset,
});

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

/** Characters. Packages need an id or one or two URLs, and a row of the store should not hold more. */
const MAX_REF_LENGTH = 4096;

/** The upstream id of a job; undefined if it would be too long to store. */
function writeRef(ref: OperationRef): string | undefined {
  const text = JSON.stringify(ref);
  return text.length > MAX_REF_LENGTH ? undefined : text;
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
