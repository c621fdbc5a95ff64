import { Readable } from 'node:stream';
import type { Answer, Handle, Provider } from '@onetake/gateway';

/** What the provider of an account saw. Times in milliseconds. */
export interface Seen {
  /** The most jobs that it worked on at a time. */
  mostJobs: number;
  readonly starts: { readonly at: number; readonly node: string; readonly taskId: string }[];
  readonly polls: number[];
}

/** A provider with an account, seen by all nodes. A job takes as long as `duration` says, whoever polls it. */
export interface BenchProvider {
  readonly seen: Seen;
  /** The adapter of a node. */
  adapterOf(node: () => string): Provider;
}

const BYTES = Buffer.alloc(1000);

export function createProvider(name: string, now: () => number, duration: () => number): BenchProvider {
  const seen: Seen = { mostJobs: 0, starts: [], polls: [] };
  const endsAt = new Map<string, number>();
  const jobOf = new Map<string, string>();

  function start(taskId: string, node: string): string {
    const upstreamId = `${name}-${endsAt.size}`;
    endsAt.set(upstreamId, now() + duration());
    jobOf.set(taskId, upstreamId);
    seen.starts.push({ at: now(), node, taskId });
    const jobs = endsAt.values().reduce((sum, at) => sum + (at > now() ? 1 : 0), 0);
    seen.mostJobs = Math.max(seen.mostJobs, jobs);
    return upstreamId;
  }

  function ask({ upstreamId }: Handle): Answer {
    seen.polls.push(now());
    return now() >= (endsAt.get(upstreamId) ?? 0)
      ? { state: 'succeeded', result: { ref: upstreamId } }
      : { state: 'in_progress' };
  }

  return {
    seen,
    adapterOf: (node) => ({
      submit: async (job) => ({ upstreamId: start(job.taskId, node()), state: 'queued' }),
      refusedOptions: () => [],
      poll: async (handle) => ask(handle),
      async find({ taskId }) {
        const upstreamId = jobOf.get(taskId);
        return upstreamId === undefined
          ? { found: false, certainty: 'unknown' }
          : { found: true, upstreamId, isCertain: true };
      },
      open: async () => ({ stream: Readable.from([BYTES]), bytes: BYTES.length, offset: 0 }),
      close: async () => undefined,
    }),
  };
}
