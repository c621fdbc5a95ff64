import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { expect, onTestFinished } from 'vitest';
import type { Model } from '../../../src/catalogue/model.ts';
import type { OpenHttp } from '../../../src/providers/http/upstreamHttp.ts';
import {
  type Abilities,
  type Answer,
  type Callback,
  type Handle,
  type Job,
  type MadeJob,
  type Provider,
  type UnknownSubmission,
  UpstreamError,
} from '../../../src/providers/provider.ts';
import { newId, newTaskId } from '../../../src/tasks/ids.ts';
import { REASONS } from '../../../src/tasks/reasons.ts';
import type { UpstreamResult } from '../../../src/tasks/task.ts';
import { builtIn } from '../../catalogue/builtIn.ts';
import { aRequest } from '../../support/builders.ts';
import { readAll } from '../../support/http/readAll.ts';
import { sending } from '../../support/sending.ts';

/** A provider with its upstream, for the suite. */
export interface ProviderFixture {
  readonly provider: Provider;
  /** Another provider over the same upstream, as after a restart. The first one may still be open. */
  reopen(): Promise<Provider>;
  /** Changes a job into one that this upstream accepts and finishes quickly. */
  readonly job?: (job: Job) => Job;
  /** How many jobs were created upstream. */
  jobsMade(): number | Promise<number>;
  /** Resolves when the next poll may have another answer. */
  passTime(): Promise<void>;
  /** The next job fails upstream. */
  failNextJob(): void;
  /** The next job runs until it is cancelled. */
  holdNextJob(): void;
  /** For an upstream that is reached over a network. */
  readonly network?: NetworkFaults;
  /** For an upstream that stops only waiting jobs or tells their place in the queue: the next job waits until it is cancelled. */
  queueNextJob?(): void;
  /** For an upstream with callbacks: a callback that it has sent about this job. */
  callbackAbout?(handle: Handle): Promise<Callback>;
  /** For a provider that can run another node's job again: one that shares nothing with the first. */
  elsewhere?(): Promise<Provider>;
  end(): Promise<void>;
}

export interface NetworkFaults {
  /** The upstream accepts the next start, but its answer is lost. */
  loseNextAnswer(): void;
  /** From now on the upstream cannot be reached. */
  breakUpstream(): void;
  /** From now on the upstream accepts calls but never answers. */
  stallUpstream(): void;
  /** From now on answers to polls ask not to be polled again for this long. */
  pollLater?(seconds: number): void;
  /** From now on answers about jobs name them by other ids, which work nowhere. */
  renameIds?(): void;
  /** The next job gets this id. */
  giveId?(id: string): void;
  /** From now on submissions are refused by the upstream with this status and these words. */
  refuseWith?(status: number, words: string): void;
  /** From now on errors in answers about jobs have these words. */
  sayInErrors?(words: string): void;
  /** From now on errors of jobs are these words, and no objects. */
  flattenErrors?(words: string): void;
  /** From now on such calls are answered with a page of another server. */
  answerWithPage?(operation: 'submit' | 'poll', status: number): void;
  /** Sets the upstream's clock ahead. Only for an upstream that tells its time. */
  skewClock?(byMs: number): void;
}

export interface ProviderContract {
  readonly name: string;
  /** The abilities that the adapter's definition declares. */
  readonly abilities: Abilities | undefined;
  /** The upstream is part of the process, so nothing is sent. */
  readonly local?: boolean;
  /** The upstream is in memory, so there is no request that the lease guard could refuse. */
  readonly inMemory?: boolean;
  /** The provider's HTTP client comes from `openHttp`. A local provider has none. */
  create(openHttp: OpenHttp): Promise<ProviderFixture>;
  /** The effect of a second start with the same key. The engine never sends one. With `one_job` it would be free. */
  readonly startTwice: 'one_job' | 'two_jobs';
  /** The models of the catalogue that the account serves. A local provider needs none. */
  readonly models?: readonly ServedModel[];
}

/** A model of the catalogue, and the service that the account uses, if the provider has several. */
export interface ServedModel {
  readonly model: Model;
  readonly service?: string | undefined;
}

/** The models of a provider, at one of its services if it has several. */
export const modelsAt = (provider: string, service?: string): readonly ServedModel[] =>
  builtIn
    .list()
    .filter((model) => model.provider === provider)
    .filter(({ services }) => service === undefined || services[service] !== undefined)
    .map((model) => ({ model, service }));

/** The parameters of a suite: the contract, and a function that opens a fixture which ends with the test. */
export interface Suite extends Omit<ProviderContract, 'abilities'> {
  readonly abilities: Abilities;
  /** On a node with its lease, unless `hasLease` says otherwise. */
  open(hasLease?: () => boolean): Promise<ProviderFixture>;
}

/** After so many answers a job that should finish quickly counts as stuck. */
const MAX_ANSWERS = 2000;

// Generous, because simulators may encode real video. A call that hangs fails by the test's own time limit.
export const signal = (): AbortSignal => AbortSignal.timeout(60_000);

/** A hook that the contract needs. A suite that passes without it would prove nothing. */
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
export const lostSubmission = (
  job: Job,
  known: readonly string[] = [],
  ageMs = 0,
  earlier: readonly MadeJob[] = [],
): UnknownSubmission => ({
  ...job,
  intendedAt: Date.now() - ageMs,
  sinceIntent: () => ageMs,
  sinceGivenUp: () => ageMs,
  isKnown: async (upstreamId) => known.includes(upstreamId),
  earlier: async () => earlier,
});

export const handleOf = ({ upstreamModel, idempotencyKey }: Job, upstreamId: string): Handle => ({
  upstreamId,
  upstreamModel,
  idempotencyKey,
  intendedAt: Date.now(),
});

/** A valid id that no upstream knows. */
export const unknownHandle = (): Handle => {
  const id = newId();
  return { upstreamId: id, upstreamModel: 'test-model', idempotencyKey: id, intendedAt: Date.now() };
};

export async function started(fixture: ProviderFixture): Promise<{ handle: Handle; job: Job }> {
  const job = jobOf(fixture);
  const answer = await fixture.provider.submit(job, sending(signal()));
  expect(answer.upstreamId).not.toBe('');
  expect(['queued', 'in_progress']).toContain(answer.state);
  return { handle: handleOf(job, answer.upstreamId), job };
}

/** Polls until an answer is as wanted. */
export async function answered(
  fixture: Pick<ProviderFixture, 'provider' | 'passTime'>,
  handle: Handle,
  isWanted: (answer: Answer) => boolean,
): Promise<Answer> {
  for (let answers = 0; answers < MAX_ANSWERS; answers++) {
    const answer = await fixture.provider.poll(handle, signal());
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

/** Polls until the job is over or no longer known. */
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
  // The handle is stored between two processes.
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

/** The value or the error. */
export const settled = (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => error);

export function expectUpstreamError(outcome: unknown): void {
  expect(outcome).toBeInstanceOf(UpstreamError);
  if (outcome instanceof UpstreamError) expect(Object.keys(REASONS)).toContain(outcome.reason);
}

/** The address that simulators call back. */
export const CALLBACKS = '/callbacks';

/** Published by undici (including Node's own) and by `node:http` when the first bytes of a request are sent. */
const SENDING = ['undici:client:sendHeaders', 'http.client.request.start'] as const;

/** How many requests this process sends during the work, by any client. */
export async function requestsDuring(work: () => Promise<unknown>): Promise<number> {
  let requests = 0;
  const count = (message: unknown) => {
    // The simulator, which runs in this process, sends callbacks.
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

/** The bodies that this process posts during the work, by undici. */
export async function bodiesDuring(work: () => Promise<unknown>): Promise<string[]> {
  const bodies: string[] = [];
  const note = (message: unknown) => {
    const { method, body, path } = (message as { request: { method: string; body: unknown; path: string } })
      .request;
    const isToken = path.endsWith('/token');
    if (method !== 'POST' || isToken) return;
    if (typeof body === 'string') bodies.push(body);
    else if (body instanceof Uint8Array) bodies.push(Buffer.from(body).toString('utf8'));
  };
  subscribe('undici:request:create', note);
  try {
    await work();
  } finally {
    unsubscribe('undici:request:create', note);
  }
  return bodies;
}
