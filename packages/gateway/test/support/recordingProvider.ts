import { Readable } from 'node:stream';
import { readInput } from '../../src/providers/mapping/inputs.ts';
import {
  type Answer,
  type Handle,
  type Provider,
  SendRefused,
  UpstreamError,
} from '../../src/providers/provider.ts';
import { lookedUp } from '../../src/providers/search/judge.ts';
import type { Reason } from '../../src/tasks/reasons.ts';
import { fakeVideo } from './fakeVideo.ts';
import type {
  AnswerStep,
  Behaviour,
  RecordingUpstream,
  UpstreamRecord,
} from './servers/recordingUpstream.ts';

const ABILITIES = ['pollMany', 'find', 'cancel', 'discard'] as const;
type Ability = (typeof ABILITIES)[number];

export interface RecordingProvider extends Provider {
  /** Reports that a job may have changed. */
  sayHint(upstreamId: string): void;
  /** From now on calls of this kind wait until they are released (or aborted). */
  hold(call: 'poll' | 'find' | 'open' | 'submit'): { release(): void };
}

/** A provider that follows its upstream's behaviour and records its calls. */
export function createRecordingProvider(options: {
  readonly upstream: RecordingUpstream;
  readonly account?: string;
  /** Optional calls that this upstream supports. */
  readonly abilities?: readonly Ability[];
}): RecordingProvider {
  const { upstream, account = 'one', abilities = ABILITIES } = options;
  const hints = new Set<(upstreamId: string) => void>();
  const held = new Map<string, Promise<void>>();

  const jobs = (matches: (entry: UpstreamRecord) => boolean) =>
    upstream.records.filter(
      (entry) => entry.call === 'submit' && entry.account === account && entry.upstreamId && matches(entry),
    );
  const jobOf = (handle: Handle) => jobs(({ upstreamId }) => upstreamId === handle.upstreamId)[0];
  const behaviourOf = ({ taskId, prompt = '' }: UpstreamRecord): Behaviour =>
    upstream.behaviour(taskId, prompt);

  const did = (what: UpstreamRecord['call'], handle: Handle, how: string): boolean =>
    upstream.records.some(
      ({ call, upstreamId, outcome }) =>
        call === what && upstreamId === handle.upstreamId && outcome === JSON.stringify(how),
    );

  /** What the next such call for the task does. */
  function step<T>(
    call: UpstreamRecord['call'],
    taskId: string,
    steps: readonly T[] | undefined,
    usual: T,
  ): T {
    const made = upstream.count(call, taskId) + (call === 'poll' ? upstream.count('pollMany', taskId) : 0);
    return steps?.[Math.min(made, steps.length - 1)] ?? usual;
  }

  async function pass(call: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw failure('upstream_timeout');
    const gate = held.get(call);
    if (!gate) return;
    const aborted = new Promise<never>((_, reject) =>
      signal.addEventListener('abort', () => reject(failure('upstream_timeout')), { once: true }),
    );
    await Promise.race([gate, aborted]);
  }

  const known = (
    call: 'poll' | 'pollMany' | 'open' | 'cancel' | 'discard',
    handle: Handle,
    outcome: string,
    offset?: number,
  ) => {
    const job = jobOf(handle);
    upstream.record({
      call,
      account,
      taskId: job?.taskId ?? '',
      key: handle.idempotencyKey,
      upstreamId: handle.upstreamId,
      outcome,
      ...(offset === undefined ? {} : { offset }),
    });
  };

  function answer(handle: Handle, call: 'poll' | 'pollMany'): { answer: Answer; outcome: string } {
    const job = jobOf(handle);
    if (!job || did('discard', handle, 'discarded')) {
      return { answer: { state: 'missing' }, outcome: 'missing' };
    }
    if (did('cancel', handle, 'cancelled')) {
      const message = 'The task was cancelled.';
      return { answer: { state: 'failed', reason: 'cancelled', message }, outcome: 'cancelled' };
    }
    const behaviour = behaviourOf(job);
    const next = step('poll', job.taskId, behaviour.answers, 'succeeded');
    if (typeof next === 'object' && 'error' in next) {
      known(call, handle, next.error);
      throw failure(next.error, next.retryAfterMs);
    }
    return { answer: answerOf(next, handle, behaviour), outcome: JSON.stringify(next) };
  }

  function answerOf(
    next: Exclude<AnswerStep, { error: Reason }>,
    handle: Handle,
    behaviour: Behaviour,
  ): Answer {
    if (next === 'succeeded') {
      const link = upstream.records.filter(
        ({ upstreamId, outcome }) => upstreamId === handle.upstreamId && outcome === '"succeeded"',
      ).length;
      const { resultExpiresAt, duration, times } = behaviour;
      return {
        state: 'succeeded',
        result: {
          ref: `${handle.upstreamId}#${link + 1}`,
          ...(resultExpiresAt === undefined ? {} : { expiresAt: resultExpiresAt }),
          ...(duration === undefined ? {} : { duration }),
        },
        ...times,
      };
    }
    const { startedAt } = behaviour.times ?? {};
    const started = startedAt === undefined ? {} : { startedAt };
    if (next === 'queued' || next === 'missing') return { state: next };
    if (next === 'in_progress') return { state: next, ...started };
    if ('progress' in next) return { state: 'in_progress', progress: next.progress, ...started };
    const { failed: reason, ...words } = next;
    return { state: 'failed', reason, ...words, ...behaviour.times };
  }

  const provider: Required<
    Omit<
      Provider,
      'verifyCallback' | 'resume' | 'upstreamTime' | 'chooseJobs' | 'reach' | 'nobodysId' | 'findVersion'
    >
  > = {
    refusedOptions: () => [],
    async submit(job, { signal, maySend }) {
      const { taskId, idempotencyKey: key, request } = job;
      // Like an upstream that receives the bytes, once there is a connection to it.
      if (request.image) await readInput(job, request.image);
      else await Promise.resolve();
      if (!maySend()) throw new SendRefused();
      await pass('submit', signal);
      const next = step('submit', taskId, upstream.behaviour(taskId, request.prompt).start, 'accepted');
      const made = next === 'accepted' || next === 'answer_lost';
      const upstreamId = `${account}-${upstream.count('submit') + 1}`;
      upstream.record({
        call: 'submit',
        account,
        taskId,
        key,
        prompt: request.prompt,
        outcome: typeof next === 'string' ? next : next.refuse,
        ...(made ? { upstreamId } : {}),
      });
      if (typeof next === 'object') {
        throw new UpstreamError(next.refuse, {
          created: 'no',
          ...(next.retryAfterMs === undefined ? {} : { retryAfterMs: next.retryAfterMs }),
        });
      }
      if (next !== 'accepted') throw new UpstreamError('upstream_timeout', { created: 'unknown' });
      return { upstreamId, state: 'queued' };
    },

    async poll(handle, signal) {
      await pass('poll', signal);
      const told = answer(handle, 'poll');
      known('poll', handle, told.outcome);
      return told.answer;
    },

    async pollMany(handles, signal) {
      await pass('poll', signal);
      const answers = new Map<string, Answer>();
      for (const handle of handles) {
        const told = answer(handle, 'pollMany');
        answers.set(handle.upstreamId, told.answer);
        known('pollMany', handle, told.outcome);
      }
      return answers;
    },

    async open(handle, result, offset, signal) {
      await pass('open', signal);
      const job = jobOf(handle);
      if (!job) throw failure('result_lost');
      const behaviour = behaviourOf(job);
      const next = step('open', job.taskId, behaviour.open, 'whole');
      known('open', handle, JSON.stringify(next), offset);
      const link = Number(result.ref.split('#')[1]);
      if (link < (behaviour.firstGoodLink ?? 1)) throw failure('result_lost');
      if (typeof next === 'object' && 'error' in next) throw failure(next.error);
      const bytes = videoOf(job, behaviour);
      if (next === 'damaged') bytes.fill(0, bytes.length / 2, bytes.length / 2 + 100);
      const end =
        typeof next === 'string' ? bytes.length : 'breakAfter' in next ? next.breakAfter : next.silentlyOnly;
      const pieces = slices(bytes.subarray(offset, Math.max(offset, end)));
      const stream = Readable.from(pieces, { signal });
      return {
        stream,
        offset,
        ...(typeof next === 'object' && 'silentlyOnly' in next ? {} : { bytes: bytes.length }),
      };
    },

    async cancel(handle, signal) {
      await pass('cancel', signal);
      const job = jobOf(handle);
      const usual = job && !did('poll', handle, 'succeeded') ? 'cancelled' : 'too_late';
      const next = job ? step('cancel', job.taskId, behaviourOf(job).cancel, usual) : usual;
      known('cancel', handle, JSON.stringify(next));
      if (typeof next === 'object') throw failure(next.error);
      return next;
    },

    async find({ idempotencyKey, taskId, request }, signal) {
      await pass('find', signal);
      const [job] = jobs(({ key }) => key === idempotencyKey);
      const next = step('find', taskId, upstream.behaviour(taskId, request.prompt).find, 'look');
      upstream.record({ call: 'find', account, taskId, key: idempotencyKey, outcome: JSON.stringify(next) });
      if (typeof next === 'object') throw failure(next.error);
      if (next === 'unknown') return { found: false, certainty: 'unknown' };
      return lookedUp(next === 'absent' ? undefined : job?.upstreamId);
    },

    async discard(handle) {
      known('discard', handle, JSON.stringify('discarded'));
    },

    onHint(listener) {
      hints.add(listener);
      return () => hints.delete(listener);
    },

    async close() {
      hints.clear();
    },
  };

  for (const ability of ABILITIES) {
    if (!abilities.includes(ability)) Reflect.deleteProperty(provider, ability);
  }
  return {
    ...provider,
    sayHint(upstreamId) {
      for (const listener of hints) listener(upstreamId);
    },
    hold(call) {
      const gate = Promise.withResolvers<void>();
      held.set(call, gate.promise);
      return {
        release() {
          held.delete(call);
          gate.resolve();
        },
      };
    },
  };
}

/** The video that the upstream made for a job. */
export function videoOf({ upstreamId = '' }: UpstreamRecord, behaviour: Behaviour): Buffer {
  return fakeVideo({
    name: upstreamId,
    duration: behaviour.duration ?? 4,
    ...(behaviour.bytes === undefined ? {} : { bytes: behaviour.bytes }),
  });
}

/** In pieces, as from a network. */
function* slices(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 4096) yield bytes.subarray(at, at + 4096);
}

function failure(reason: Reason, retryAfterMs?: number): UpstreamError {
  return new UpstreamError(reason, retryAfterMs === undefined ? {} : { retryAfterMs });
}
