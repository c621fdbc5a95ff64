import { setTimeout as sleep } from 'node:timers/promises';
import { Agent } from 'undici';
import type { Body, Family } from './families.ts';

/** An answer about an unfinished task that said when it will be done. */
export interface Said {
  /** Milliseconds UTC. */
  readonly at: number;
  /** `eta`. Seconds. */
  readonly eta: number;
}

/** What one client saw of its task. */
export interface Seen {
  /** When it knew that the task had ended. Milliseconds UTC. */
  readonly knownAt: number;
  /** Its queries. */
  readonly requests: number;
  readonly said: readonly Said[];
}

interface Answer {
  readonly status: number;
  readonly retryAfterMs: number | undefined;
  readonly body: Body;
}

/** Sends JSON to one server. */
export interface HttpClient extends AsyncDisposable {
  get(path: string, signal: AbortSignal): Promise<Answer>;
  post(path: string, body: unknown, signal: AbortSignal): Promise<Answer>;
}

/** Longer than any answer is held back. Milliseconds. */
const TIMEOUT_MS = 90_000;

export function createHttpClient(origin: string, headers: Readonly<Record<string, string>>): HttpClient {
  const agent = new Agent({ headersTimeout: TIMEOUT_MS });
  async function send(
    method: 'GET' | 'POST',
    path: string,
    signal: AbortSignal,
    body?: unknown,
  ): Promise<Answer> {
    const answer = await agent.request({
      origin,
      path,
      method,
      signal,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const seconds = Number(answer.headers['retry-after']);
    return {
      status: answer.statusCode,
      retryAfterMs: seconds > 0 ? seconds * 1000 : undefined,
      body: await answer.body.json(),
    };
  }
  return {
    get: (path, signal) => send('GET', path, signal),
    post: (path, body, signal) => send('POST', path, signal, body),
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}

/** The longest that the gateway holds an answer back. Seconds. */
const WAIT_SECONDS = 60;
/** The pause of a client that was not told when to come back. Milliseconds. */
const UNTOLD_MS = 5000;

const taskPath = (id: string): string => `/v1/video/generations/${id}`;

/** Submits a task to the gateway. Resolves with its id. */
export async function submit(
  http: HttpClient,
  family: Family,
  prompt: string,
  signal: AbortSignal,
): Promise<string> {
  const body = { model: family.model, prompt, ...family.request };
  const answer = await http.post('/v1/video/generations', body, signal);
  if (answer.status !== 200) throw new Error(`a submission was refused: ${JSON.stringify(answer.body)}`);
  return answer.body.task_id;
}

/** Lets the gateway hold each answer back until the task has finished. */
export function waitForEnd(http: HttpClient, id: string, signal: AbortSignal): Promise<Seen> {
  return queryUntilEnd(() => http.get(`${taskPath(id)}?wait=${WAIT_SECONDS}`, signal), { isOver, signal });
}

/** Comes back when each answer says that it should. */
export function pollAsTold(http: HttpClient, id: string, signal: AbortSignal): Promise<Seen> {
  const pause = ({ retryAfterMs }: Answer) => retryAfterMs ?? UNTOLD_MS;
  return queryUntilEnd(() => http.get(taskPath(id), signal), { isOver, pause, signal });
}

/** Has no gateway: submits to the upstream and polls it at a fixed interval. */
export async function pollUpstream(
  http: HttpClient,
  { direct }: Family,
  { prompt, everyMs, signal }: { prompt: string; everyMs: number; signal: AbortSignal },
): Promise<Seen> {
  const call = direct.submit(prompt);
  const submitted = await http.post(call.path, call.body, signal);
  if (submitted.status !== 200)
    throw new Error(`a submission was refused: ${JSON.stringify(submitted.body)}`);
  const path = direct.pollPath(submitted.body);
  await sleep(everyMs, undefined, { signal });
  return queryUntilEnd(() => http.get(path, signal), { isOver: direct.isOver, pause: () => everyMs, signal });
}

const isOver = ({ status }: Body): boolean => status === 'succeeded' || status === 'failed';

interface Queries {
  isOver(body: Body): boolean;
  /** Milliseconds until the next query; none if left out. */
  pause?(answer: Answer): number;
  readonly signal: AbortSignal;
}

async function queryUntilEnd(
  query: () => Promise<Answer>,
  { isOver, pause, signal }: Queries,
): Promise<Seen> {
  const said: Said[] = [];
  for (let requests = 1; ; requests++) {
    const answer = await query();
    const at = Date.now();
    if (answer.status === 200 && isOver(answer.body)) return { knownAt: at, requests, said };
    if (typeof answer.body?.eta === 'number') said.push({ at, eta: answer.body.eta });
    // A refused query is repeated as a client without better knowledge would.
    const ms = answer.status === 200 ? (pause?.(answer) ?? 0) : (answer.retryAfterMs ?? UNTOLD_MS);
    if (ms > 0) await sleep(ms, undefined, { signal });
  }
}
