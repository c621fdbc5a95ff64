import { setTimeout as sleep } from 'node:timers/promises';
import { BUILT_IN, FAMILIES } from '../shared/families.ts';
import { type PlannedTask, planTasks } from '../shared/plannedTasks.ts';
import { draw } from '../shared/random.ts';
import type { ApiClient, Downloaded, Reply } from './http.ts';

/** A status as some client saw it. Times are `performance.now()`. */
interface Seen {
  readonly status: string;
  readonly sentAt: number;
  readonly at: number;
}

/** One client with its one task, and every response it received. */
export interface ClientLog {
  readonly planned: PlannedTask;
  readonly key: string;
  /** Milliseconds since the load began. */
  readonly submitAt: number;
  /** The task ids returned for its key: one, if all is well. */
  readonly ids: Set<string>;
  /** A refusal that a retry does not change. */
  refused: string | undefined;
  /** Responses that said that there is no such task. */
  missing: number;
  /** Each status when it first appeared. */
  readonly seen: Seen[];
  /** Statuses that went back, as text. */
  readonly backwards: string[];
  end: 'succeeded' | 'failed' | undefined;
  reason: string | undefined;
  video: Downloaded | undefined;
}

/** Who submits what and when, deterministic for a seed; arrivals are spread over `spanMs`. */
export function planClients(count: number, spanMs: number, seed: string): ClientLog[] {
  return planTasks(count, FAMILIES, seed)
    .map((task, index) => (index % RENDERED_EVERY === 0 ? rendered(index) : task))
    .map((planned, index) => ({
      // Short and small, because the codec is not under test.
      planned: { ...planned, body: { ...planned.body, ...SMALLEST[planned.family.upstream] } },
      key: `chaos-${seed}-${index}`,
      submitAt: Math.round(draw(seed, 'arrival', index) * spanMs),
      ids: new Set<string>(),
      refused: undefined,
      missing: 0,
      seen: [],
      backwards: [],
      end: undefined,
      reason: undefined,
      video: undefined,
    }))
    .sort((a, b) => a.submitAt - b.submitAt);
}

/** One task in this many is for the built-in renderer, which takes seconds of the machine. */
const RENDERED_EVERY = 30;

function rendered(index: number): PlannedTask {
  const prompt = `boat number ${index} in a drawing`;
  return { family: BUILT_IN, prompt, ending: undefined, body: { model: BUILT_IN.model, prompt } };
}

const SMALLEST: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  openai: { duration: 4 },
  gemini: { duration: 4 },
  dashscope: { duration: 2 },
  ark: { duration: 4, resolution: '480p' },
  kling: { duration: 3 },
  runway: { duration: 2 },
  preview: { duration: 1, resolution: '480p' },
};

/** The fraction of clients that repeat the submission of a task accepted long ago, with its key. */
const REPEATERS = 0.2;
/** The fraction that queries with `?wait=`, and for how many seconds. */
const WAITERS = 0.5;
const WAIT_SECONDS = 8;
const POLL_MS = 700;
/** The fraction of requests that are abandoned in the middle, and after how long at most. Milliseconds. */
const HANG_UPS = 0.05;
const HANG_UP_MS = 40;
/** Between two attempts of a failed request; longer if the response says so, within reason. Milliseconds. */
const RETRY_MS = 300;
const MAX_RETRY_MS = 3000;
const LAST_DOWNLOAD_MS = 10_000;

const contentOf = (id: string): string => `/v1/video/generations/${id}/content`;

/** Submits, polls and downloads as a client would, until its task has ended or `signal` ends the run. */
export async function runClient(client: ClientLog, api: ApiClient, seed: string, signal: AbortSignal) {
  const id = await submit(client, api, signal);
  if (id === undefined) return;
  const waits = draw(seed, 'waits', client.key) < WAITERS;
  const repeats = draw(seed, 'repeats', client.key) < REPEATERS;
  let url: string | undefined;
  for (let time = 0; !signal.aborted; time++) {
    const reply = await look(client, api, id, waits ? WAIT_SECONDS : 0, hangUpOf(client, 'look', time));
    if (client.end !== undefined) {
      url = reply.body?.url;
      break;
    }
    if (reply.status !== 200) await pause(reply, signal);
    else if (!waits) await sleep(POLL_MS * (0.5 + draw(seed, client.key, client.seen.length)));
  }
  if (client.end === 'succeeded') await download(client, api, url ?? contentOf(id), signal);
  if (repeats && client.end !== undefined) await submit(client, api, signal);
}

/** Repeats until the gateway responds; the key makes that safe. */
async function submit(client: ClientLog, api: ApiClient, signal: AbortSignal): Promise<string | undefined> {
  for (let time = 0; !signal.aborted; time++) {
    const { body } = client.planned;
    const hangUpMs = hangUpOf(client, 'submit', time);
    const reply = await api.call('POST', '/v1/video/generations', { body, key: client.key, hangUpMs });
    if (reply.status === 200) {
      const id = String(reply.body.task_id);
      client.ids.add(id);
      return id;
    }
    if (reply.status !== undefined && reply.status < 500 && reply.status !== 429) {
      client.refused = `${reply.status} ${JSON.stringify(reply.body)}`;
      return undefined;
    }
    await pause(reply, signal);
  }
  return undefined;
}

/** One query of the task, and how its response compares with earlier ones. */
async function look(
  client: ClientLog,
  api: ApiClient,
  id: string,
  waitSeconds: number,
  hangUpMs?: number,
): Promise<Reply> {
  const path = `/v1/video/generations/${id}${waitSeconds > 0 ? `?wait=${waitSeconds}&wait_for=change` : ''}`;
  const reply = await api.call('GET', path, { timeoutMs: waitSeconds * 1000 + 15_000, hangUpMs });
  if (reply.status === 404) client.missing += 1;
  if (reply.status === 200) note(client, reply);
  return reply;
}

const RANK: Readonly<Record<string, number>> = { queued: 0, in_progress: 1, succeeded: 2, failed: 2 };

function note(client: ClientLog, { body, sentAt, at }: Reply): void {
  const status = String(body.status);
  const rank = RANK[status] ?? Number.NaN;
  // Only responses from before this query was sent bind its response.
  for (const before of client.seen) {
    const earlier = RANK[before.status] ?? Number.NaN;
    if (before.at > sentAt || earlier < rank || before.status === status) continue;
    client.backwards.push(`${before.status}, then ${status} ${Math.round(at - before.at)} ms later`);
  }
  if (!(status in RANK)) client.backwards.push(`the unknown word ${status}`);
  if (client.seen.at(-1)?.status !== status) client.seen.push({ status, sentAt, at });
  if (status !== 'succeeded' && status !== 'failed') return;
  client.end = status;
  client.reason = body.error?.reason;
}

/** At the end: the final status must be unchanged, and a video that came too late for its client exists. */
export async function lookOnceMore(client: ClientLog, api: ApiClient): Promise<void> {
  for (const id of client.ids) {
    await look(client, api, id, 0);
    if (client.end !== 'succeeded' || client.video) continue;
    await download(client, api, contentOf(id), AbortSignal.timeout(LAST_DOWNLOAD_MS));
  }
}

async function download(client: ClientLog, api: ApiClient, path: string, signal: AbortSignal): Promise<void> {
  for (let time = 0; !signal.aborted; time++) {
    const got = await api.download(path, hangUpOf(client, 'download', time));
    if ('sha256' in got) {
      client.video = got;
      return;
    }
    await pause(got, signal);
  }
}

/** When this client abandons a request; undefined if it waits for the response. */
function hangUpOf({ key }: ClientLog, what: string, time: number): number | undefined {
  if (draw('hangs up', key, what, time) >= HANG_UPS) return undefined;
  return Math.ceil(draw('hangs up after', key, what, time) * HANG_UP_MS);
}

function pause({ retryAfterMs }: Reply, signal: AbortSignal): Promise<void> {
  const ms = Math.min(MAX_RETRY_MS, Math.max(RETRY_MS, retryAfterMs ?? 0));
  return sleep(ms, undefined, { signal }).catch(() => undefined);
}
