import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import pLimit from 'p-limit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createFileStorage } from '../../src/media/files/storage.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import type { Store } from '../../src/store/store.ts';
import type { Task } from '../../src/tasks/task.ts';
import { readAll } from '../support/http/readAll.ts';
import { eventsInFolder, ledgerInFolder, sums } from '../support/ledger.ts';
import { seeded } from '../support/seeded.ts';
import { readRecords, type UpstreamRecord } from '../support/servers/recordingUpstream.ts';
import { KILL_POINTS, KINDS, type Plan } from './plan.ts';

const ROUNDS = Number(process.env.ONETAKE_CRASH_ROUNDS ?? 200);
/** Repeats a run; another seed kills at other points. */
const SEED = Number(process.env.ONETAKE_CRASH_SEED ?? 1);
/** One of each kind, so that a life can pass every point. */
const TASKS_PER_ROUND = KINDS.length;
/** Lives that end by `kill -9` before one that may run to its end. */
const MAX_KILLS = 3;
/** A life takes a fraction of a second; one this long is stuck. */
const STUCK_MS = 30_000;

const CHILD = fileURLToPath(new URL('./child.ts', import.meta.url));
const figures = { rounds: 0, lives: 0, kills: 0, tasks: 0, succeeded: 0, failed: 0, unknown: 0, starts: 0 };
const killedAt = new Map<string, number>();

let cache: string;
beforeAll(async () => {
  cache = await mkdtemp(join(tmpdir(), 'onetake-'));
});
afterAll(async () => {
  await rm(cache, { recursive: true, force: true });
  console.log(JSON.stringify(figures));
  console.log(`killed at ${killedAt.size} of ${KILL_POINTS.length} points`, Object.fromEntries(killedAt));
});

it(`loses, doubles and forgets nothing in ${ROUNDS} rounds of kill -9`, { timeout: 600_000 }, async () => {
  const two = pLimit(2);
  await Promise.all(
    Array.from({ length: ROUNDS }, (_, round) => {
      const point = KILL_POINTS[round % KILL_POINTS.length] as (typeof KILL_POINTS)[number];
      return two(() => playRound(SEED * 100_000 + round, point));
    }),
  );
  expect(figures.rounds).toBe(ROUNDS);
  expect(figures.kills).toBeGreaterThanOrEqual(ROUNDS / 2);
  if (ROUNDS >= KILL_POINTS.length) expect([...killedAt.keys()].sort()).toEqual([...KILL_POINTS].sort());
});

/** The first life ends at `first`, at its first passing; the seed determines where later ones end. */
async function playRound(seed: number, first: (typeof KILL_POINTS)[number]): Promise<void> {
  const random = seeded(seed);
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)] as T;
  const dir = await mkdtemp(join(tmpdir(), 'onetake-'));
  const acknowledged = new Map<string, string>();
  const prompts = KINDS.map((kind, n) => `${kind} ${n}`);
  const find = first.startsWith('find') || random() < 0.7;
  const epoch = Date.now();
  const wishes = 1 + Math.floor(random() * MAX_KILLS);

  try {
    for (let life = 0, ended = false; !ended; life++) {
      const drawn = { point: pick(KILL_POINTS), nth: 1 + Math.floor(random() * 4) };
      const wish = life === 0 ? { point: first, nth: 1 } : drawn;
      const kill = life < wishes ? { kill: wish } : {};
      const submit = prompts.filter((prompt) => !acknowledged.has(prompt));
      const outcome = await live({ dir, submit, find, epoch, ...kill });
      for (const { prompt, id } of outcome.acknowledged) {
        expect(acknowledged.get(prompt) ?? id, `seed ${seed}: one id for one key`).toBe(id);
        acknowledged.set(prompt, id);
      }
      figures.lives += 1;
      if (outcome.killed && kill.kill) {
        figures.kills += 1;
        killedAt.set(kill.kill.point, (killedAt.get(kill.kill.point) ?? 0) + 1);
      }
      ended = !outcome.killed;
    }
    await judge(dir, acknowledged, `seed ${seed}`);
    figures.rounds += 1;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Starts the program and waits for its end, successful or not. */
async function live(
  plan: Plan,
): Promise<{ killed: boolean; acknowledged: { prompt: string; id: string }[] }> {
  const child = spawn(process.execPath, [CHILD, JSON.stringify(plan)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // The temporary folder of a killed process is removed with the round.
    env: { ...process.env, TMPDIR: plan.dir, NODE_COMPILE_CACHE: cache },
  });
  const output = text(child.stdout);
  const complaints = text(child.stderr);
  const stuck = setTimeout(() => child.kill('SIGTERM'), STUCK_MS);
  const [code, signal] = await once(child, 'exit');
  clearTimeout(stuck);
  if (signal !== 'SIGKILL' && code !== 0) {
    throw new Error(`${signal ?? code} after ${JSON.stringify(plan)}\n${await complaints}`);
  }
  const lines = (await output).split('\n').filter((line) => line !== '');
  return { killed: signal === 'SIGKILL', acknowledged: lines.map((line) => JSON.parse(line)) };
}

/** Checks the final state, after the gateway has ended. */
async function judge(dir: string, acknowledged: ReadonlyMap<string, string>, round: string): Promise<void> {
  const journal = join(dir, 'upstream.jsonl');
  const records = existsSync(journal) ? readRecords(journal) : [];
  const store = await openSqliteStore({ dir, exclusive: true });
  try {
    const tasks = await store.listTasks({ projectId: 'project', limit: 1000 });
    expect(acknowledged.size, `${round}: everything was acknowledged in the end`).toBe(TASKS_PER_ROUND);
    expect(tasks.map(({ id }) => id).sort(), `${round}: nothing lost, nothing twice`).toEqual(
      [...acknowledged.values()].sort(),
    );
    for (const task of tasks) await judgeTask(task, store, records, dir, `${round} ${task.request.prompt}`);
  } finally {
    await store.close();
  }
}

async function judgeTask(
  task: Task,
  store: Store,
  records: readonly UpstreamRecord[],
  dir: string,
  about: string,
): Promise<void> {
  figures.tasks += 1;
  expect(['succeeded', 'failed'], `${about}: not stuck`).toContain(task.phase);

  const starts = records.filter(({ call, taskId }) => call === 'submit' && taskId === task.id);
  figures.starts += starts.length;
  expect(new Set(starts.map(({ key }) => key)).size, `${about}: one call per attempt`).toBe(starts.length);
  const jobs = starts.filter(({ upstreamId }) => upstreamId !== undefined);
  expect(jobs.length, `${about}: one job`).toBeLessThanOrEqual(1);

  const ledger = ledgerInFolder(dir, task.id);
  const { hold = 0, capture = 0, release = 0 } = sums(ledger);
  expect(hold, `${about}: held`).toBe(task.price.holdMicros);
  expect(capture + release, `${about}: no drift`).toBe(hold);

  const events = eventsInFolder(dir, task.id);
  const started = task.phase === 'succeeded' || events.length === 2 ? ['video.started'] : [];
  expect(events, `${about}: its events, each once`).toEqual([...started, `video.${task.phase}`]);

  if (task.phase === 'failed') {
    figures.failed += 1;
    if (task.error?.reason === 'submission_unknown') figures.unknown += 1;
    expect(capture, `${about}: a failure is free`).toBe(0);
    const expected = task.request.prompt.startsWith('rejected')
      ? ['content_rejected', 'submission_unknown']
      : ['submission_unknown'];
    expect(expected, about).toContain(task.error?.reason);
    return;
  }
  figures.succeeded += 1;
  const video = await store.media(task.result?.videoId ?? '');
  const bytes = await readAll(
    await createFileStorage({ root: join(dir, 'media') }).read(video?.storageKey ?? ''),
  );
  expect(bytes.length, `${about}: whole`).toBe(task.result?.bytes);
  expect(createHash('sha256').update(bytes).digest('hex'), `${about}: intact`).toBe(task.result?.sha256);
  expect(video, about).toMatchObject({ state: 'present', bytes: bytes.length });
}
