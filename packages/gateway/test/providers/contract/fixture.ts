import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { expect, onTestFinished } from 'vitest';
import type { OpenHttp } from '../../../src/providers/http/upstreamHttp.ts';
import {
  type Abilities,
  type Answer,
  type Callback,
  type Handle,
  type Job,
  type Provider,
  type UnknownSubmission,
  UpstreamError,
} from '../../../src/providers/provider.ts';
import { newId, newTaskId } from '../../../src/tasks/ids.ts';
import { REASONS } from '../../../src/tasks/reasons.ts';
import type { UpstreamResult } from '../../../src/tasks/task.ts';
import { aRequest } from '../../support/builders.ts';
import { readAll } from '../../support/http/readAll.ts';
import { sending } from '../../support/sending.ts';

/** One provider with its upstream, as the suite needs them. */
export interface ProviderFixture {
  readonly provider: Provider;
  /** Another provider over the same upstream, as after a restart; the first one may still be open. */
  reopen(): Promise<Provider>;
  /** Changes a job into one that this upstream takes and finishes quickly. */
  readonly job?: (job: Job) => Job;
  /** How many jobs have been made upstream. */
  jobsMade(): number | Promise<number>;
  /** Resolves when asking again may give another answer. */
  passTime(): Promise<void>;
  /** The next job fails upstream. */
  failNextJob(): void;
  /** The next job runs until it is cancelled. */
  holdNextJob(): void;
  /** Of an upstream that is reached over a network. */
  readonly network?: NetworkFaults;
  /** For an upstream that stops waiting jobs alone: the next job waits until it is cancelled. */
  queueNextJob?(): void;
  /** For an upstream with callbacks: one that it has sent about this job. */
  callbackAbout?(handle: Handle): Promise<Callback>;
  /** For a provider that can run another node's job again: one that shares nothing with the first. */
  elsewhere?(): Promise<Provider>;
  end(): Promise<void>;
}

export interface NetworkFaults {
  /** The upstream takes the next start, and its answer is lost. */
  loseNextAnswer(): void;
  /** From now on nothing upstream can be reached. */
  breakUpstream(): void;
  /** From now on the upstream takes calls and never answers. */
  stallUpstream(): void;
}

export interface ProviderContract {
  readonly name: string;
  /** As the adapter's definition declares them. */
  readonly abilities: Abilities | undefined;
  /** Nothing is sent anywhere: the upstream is a part of the process. */
  readonly local?: boolean;
  /** The upstream is in memory: there is no request that a node without its lease could be refused. */
  readonly inMemory?: boolean;
  /** The provider's HTTP client comes from `openHttp`; a local one has none. */
  create(openHttp: OpenHttp): Promise<ProviderFixture>;
  /** What a second start with the same key makes. The engine never makes one; where it is `one_job` a retry is free. */
  readonly startTwice: 'one_job' | 'two_jobs';
}

/** What a suite runs with: the contract, and how it opens a fixture that ends with the test. */
export interface Suite extends Omit<ProviderContract, 'abilities'> {
  readonly abilities: Abilities;
  /** On a node that has its lease unless told otherwise. */
  open(hasLease?: () => boolean): Promise<ProviderFixture>;
}

/** Answers after which a job that was to finish quickly counts as stuck. */
const MAX_ANSWERS = 2000;

// Generous, since real upstreams' stand-ins may encode real video; a call that hangs fails by the test's own time limit.
export const signal = (): AbortSignal => AbortSignal.timeout(60_000);

/** A hook that the contract cannot do without: a suite that passes without it would prove nothing. */
export function required<T>(hook: T | undefined, name: string): T {
  if (hook === undefined) throw new Error(`the fixture has no ${name}`);
  return hook;
}

export function jobOf(fixture: ProviderFixture): Job {
  const request = aRequest({ duration: 1, resolution: '480p', width: 854, height: 480 });
  const job: Job = {
    taskId: newTaskId(),
    attempt: 1,
    idempotencyKey: newId(),
    upstreamModel: request.model,
    request,
    openInput: async () => {
      throw new Error('the job has no inputs');
    },
  };
  return fixture.job?.(job) ?? job;
}

/** A submission whose answer was lost `ageMs` ago. */
export const lostSubmission = (job: Job, known: readonly string[] = [], ageMs = 0): UnknownSubmission => ({
  ...job,
  intendedAt: Date.now() - ageMs,
  sinceIntent: () => ageMs,
  sinceGivenUp: () => ageMs,
  isKnown: async (upstreamId) => known.includes(upstreamId),
});

export const handleOf = ({ upstreamModel, idempotencyKey }: Job, upstreamId: string): Handle => ({
  upstreamId,
  upstreamModel,
  idempotencyKey,
  intendedAt: Date.now(),
});

/** Spelled as a job may be, known to nobody. */
export const unknownHandle = (): Handle => {
  const id = newId();
  return { upstreamId: id, upstreamModel: 'test-model', idempotencyKey: id, intendedAt: Date.now() };
};

export async function started(fixture: ProviderFixture): Promise<{ handle: Handle; job: Job }> {
  const job = jobOf(fixture);
  const answer = await fixture.provider.start(job, sending(signal()));
  expect(answer.upstreamId).not.toBe('');
  expect(['queued', 'in_progress']).toContain(answer.state);
  return { handle: handleOf(job, answer.upstreamId), job };
}

/** Asks until an answer is as wanted. */
export async function answered(
  fixture: Pick<ProviderFixture, 'provider' | 'passTime'>,
  handle: Handle,
  isWanted: (answer: Answer) => boolean,
): Promise<Answer> {
  for (let answers = 0; answers < MAX_ANSWERS; answers++) {
    const answer = await fixture.provider.ask(handle, signal());
    if (isWanted(answer)) return answer;
    if ('progress' in answer && answer.progress !== undefined) {
      expect(answer.progress).toBeGreaterThanOrEqual(0);
      expect(answer.progress).toBeLessThanOrEqual(100);
    }
    await fixture.passTime();
  }
  throw new Error('the job does not come that far');
}

export const isOver = ({ state }: Answer): boolean => state !== 'queued' && state !== 'in_progress';

/** Asks until the job is over, or is not known any more. */
export const lastAnswer = (
  fixture: Pick<ProviderFixture, 'provider' | 'passTime'>,
  handle: Handle,
): Promise<Answer> => answered(fixture, handle, isOver);

export async function awaited(
  fixture: Pick<ProviderFixture, 'provider' | 'passTime'>,
  handle: Handle,
): Promise<UpstreamResult> {
  const answer = await lastAnswer(fixture, handle);
  if (answer.state !== 'succeeded') throw new Error(`the job did not succeed: ${JSON.stringify(answer)}`);
  // It is stored between two processes.
  expect(JSON.parse(JSON.stringify(answer.result))).toEqual(answer.result);
  return answer.result;
}

export async function finished(
  fixture: ProviderFixture,
): Promise<{ handle: Handle; job: Job; result: UpstreamResult }> {
  const { handle, job } = await started(fixture);
  return { handle, job, result: await awaited(fixture, handle) };
}

export async function fetched(provider: Provider, handle: Handle, result: UpstreamResult, from: number) {
  const { stream, bytes: length, offset } = await provider.open(handle, result, from, signal());
  return { bytes: await readAll(stream), length, offset };
}

/** A provider that is closed with the test. */
export function closedLater(provider: Provider): Provider {
  onTestFinished(() => provider.close());
  return provider;
}

/** The value or the error, whichever comes. */
export const settled = (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => error);

export function expectUpstreamError(outcome: unknown): void {
  expect(outcome).toBeInstanceOf(UpstreamError);
  if (outcome instanceof UpstreamError) expect(Object.keys(REASONS)).toContain(outcome.reason);
}

/** Where stand-ins call back. */
export const CALLBACKS = '/callbacks';

/** Published by undici, that of Node itself included, and by `node:http` when the first bytes of a request go out. */
const SENDING = ['undici:client:sendHeaders', 'http.client.request.start'] as const;

/** How many requests leave this process, by whatever client, while the work goes on. */
export async function requestsDuring(work: () => Promise<unknown>): Promise<number> {
  let requests = 0;
  const count = (message: unknown) => {
    // Callbacks are sent by the stand-in, which lives in this process as well.
    const { path } = (message as { request: { path: string } }).request;
    if (!path.startsWith(CALLBACKS)) requests += 1;
  };
  for (const channel of SENDING) subscribe(channel, count);
  try {
    await work();
  } finally {
    for (const channel of SENDING) unsubscribe(channel, count);
  }
  return requests;
}
