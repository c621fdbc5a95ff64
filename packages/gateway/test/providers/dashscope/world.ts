import { type Simulators, startSimulators } from '@onetake/simulators';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { createDashscopeProvider } from '../../../src/providers/dashscope/provider.ts';
import type { OpenHttp } from '../../../src/providers/http/upstreamHttp.ts';
import type { Handle, Job, Provider, UnknownSubmission } from '../../../src/providers/provider.ts';
import { newId, newTaskId } from '../../../src/tasks/ids.ts';
import type { InputRef, VideoRequest } from '../../../src/tasks/request.ts';
import { aRequest } from '../../support/builders.ts';
import { openHttpWhile, ownPermits } from '../../support/openHttp.ts';
import { serve } from '../../support/servers/httpServer.ts';

export const KEY = 'sk-of-the-operator';

/** What a provider is opened with where a test says nothing else; simulated time makes the pace of questions needless. */
export function providerAt(
  baseUrl: string,
  changes: { apiKey?: string; pollsPerSecond?: number; openHttp?: OpenHttp } = {},
): Provider {
  return createDashscopeProvider({
    baseUrl,
    apiKey: KEY,
    pollsPerSecond: 10_000,
    log: pino({ level: 'silent' }),
    clock: { now: () => Date.now() },
    openHttp: openHttpWhile(),
    permits: ownPermits,
    ...changes,
  });
}

/** A provider over the simulator, both ended with the test. */
export async function simulated(
  options: { settings?: Record<string, unknown>; limits?: boolean; pollsPerSecond?: number } = {},
): Promise<{ simulators: Simulators; provider: Provider; reopen: () => Provider }> {
  const { settings = {}, limits = false, ...changes } = options;
  const simulators = await startSimulators({
    only: ['dashscope'],
    scale: 0.001,
    limits,
    settings: { dashscope: settings },
  });
  const { url, key } = simulators.upstream('dashscope');
  const reopen = () => {
    const provider = providerAt(url, { apiKey: key, ...changes });
    onTestFinished(() => provider.close());
    return provider;
  };
  onTestFinished(() => simulators.close());
  return { simulators, provider: reopen(), reopen };
}

/** A request as a canned upstream got it. */
export interface Received {
  readonly method: string | undefined;
  readonly url: string;
  readonly headers: Readonly<Record<string, unknown>>;
  // biome-ignore lint/suspicious/noExplicitAny: bodies are looked into freely by tests, which then assert what they find
  readonly body: any;
}

/** A provider over an upstream that answers what the test says. */
export async function canned(
  answer: (request: Received) => { status?: number; headers?: Record<string, string>; body: unknown },
): Promise<{ provider: Provider; received: Received[]; origin: string }> {
  const received: Received[] = [];
  const { origin } = await serve(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const { method, url = '', headers } = request;
    const one = { method, url, headers, body: text === '' ? undefined : JSON.parse(text) };
    received.push(one);
    const { status = 200, headers: sent = {}, body } = answer(one);
    response.writeHead(status, { 'content-type': 'application/json', ...sent });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  const provider = providerAt(origin);
  onTestFinished(() => provider.close());
  return { provider, received, origin };
}

export function aJob(
  changes: Partial<VideoRequest> = {},
  { upstreamModel = 'wan3.0-video', openInput }: Partial<Pick<Job, 'upstreamModel' | 'openInput'>> = {},
): Job {
  return {
    taskId: newTaskId(),
    attempt: 1,
    idempotencyKey: newId(),
    upstreamModel,
    request: aRequest({ duration: 2, resolution: '480p', width: 832, height: 480, ...changes }),
    openInput:
      openInput ??
      (async () => {
        throw new Error('the job has no inputs');
      }),
  };
}

export const anInput = (changes: Partial<InputRef> = {}): InputRef => ({
  mediaId: newId(),
  contentType: 'image/png',
  bytes: 1000,
  width: 640,
  height: 360,
  ...changes,
});

export const handleOf = (upstreamId: string, changes: Partial<Handle> = {}): Handle => ({
  upstreamId,
  upstreamModel: 'wan3.0-video',
  idempotencyKey: newId(),
  intendedAt: Date.now(),
  ...changes,
});

export const lostOf = (job: Job, changes: Partial<UnknownSubmission> = {}): UnknownSubmission => ({
  ...job,
  intendedAt: Date.now(),
  sinceGivenUp: () => 0,
  isKnown: async () => false,
  ...changes,
});

export const signal = (): AbortSignal => AbortSignal.timeout(20_000);

export const settled = (call: Promise<unknown> | undefined): Promise<unknown> =>
  Promise.resolve(call).catch((error: unknown) => error);
