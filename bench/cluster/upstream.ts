import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Handle, Provider } from '@onetake/gateway';

/** An upstream in this process: it knows when each job ends, answers many polls at once, and keeps everything. */
export interface Upstream {
  readonly provider: Provider;
  /** A job that is already running: ends at `endsAt`, milliseconds UTC. Returns its id. */
  add(endsAt: number): string;
  /** Milliseconds UTC. */
  endOf(upstreamId: string): number;
  /** Lets every job end at `at`, milliseconds UTC; 0 ends them now. */
  endAll(at: number): void;
  /** Requests, those of them that polled, and polled jobs since the last call. */
  counts(): { readonly requests: number; readonly polls: number; readonly asked: number };
}

/** The duration of a call: a fast upstream on another part of a continent. Milliseconds. */
const CALL_MS = 30;
const FIRST_CAPACITY = 1024;
/** The bytes of a video. */
const BYTES = Buffer.alloc(1000);

export interface UpstreamOptions {
  /** Whether it answers many polls at once. True by default. */
  readonly batches?: boolean;
  /** Submissions are answered once this has resolved. */
  readonly opens?: Promise<void>;
  /** The number of the first job: a later upstream must not repeat ids that the database knows. */
  readonly firstJob?: number;
}

/** `duration` draws the duration of a job, milliseconds. */
export function createUpstream(
  duration: () => number,
  { batches = true, opens, firstJob = 0 }: UpstreamOptions = {},
): Upstream {
  // Eight bytes per job, so that the measured memory is the engine's.
  let ends = new Float64Array(FIRST_CAPACITY + firstJob);
  let jobs = firstJob;
  let requests = 0;
  let polls = 0;
  let asked = 0;

  function add(endsAt: number): string {
    if (jobs === ends.length) {
      const larger = new Float64Array(2 * jobs);
      larger.set(ends);
      ends = larger;
    }
    ends[jobs] = endsAt;
    jobs += 1;
    return `job-${jobs - 1}`;
  }

  const endOf = (upstreamId: string): number => ends[Number(upstreamId.slice('job-'.length))] ?? Number.NaN;

  function answer({ upstreamId }: Handle): Answer {
    asked += 1;
    return Date.now() >= endOf(upstreamId)
      ? { state: 'succeeded', result: { ref: upstreamId } }
      : { state: 'in_progress' };
  }

  async function call(signal: AbortSignal): Promise<void> {
    requests += 1;
    await sleep(CALL_MS, undefined, { signal });
  }

  async function pollMany(handles: readonly Handle[], signal: AbortSignal) {
    polls += 1;
    await call(signal);
    return new Map(handles.map((handle) => [handle.upstreamId, answer(handle)]));
  }

  return {
    add,
    endOf,
    endAll: (at) => void ends.fill(at),
    counts() {
      const counted = { requests, polls, asked };
      requests = 0;
      polls = 0;
      asked = 0;
      return counted;
    },
    provider: {
      refusedOptions: () => [],
      async submit(_job, { signal }) {
        await call(signal);
        await opens;
        return { upstreamId: add(Date.now() + duration()), state: 'queued' };
      },
      async poll(handle, signal) {
        polls += 1;
        await call(signal);
        return answer(handle);
      },
      ...(batches ? { pollMany } : {}),
      open: async () => ({ stream: Readable.from([BYTES]), bytes: BYTES.length, offset: 0 }),
      close: async () => undefined,
    },
  };
}
