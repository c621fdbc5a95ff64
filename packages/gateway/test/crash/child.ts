import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { soloCluster } from '../../src/cluster/cluster.ts';
import { createEngine } from '../../src/engine/engine.ts';
import { createFeed } from '../../src/engine/events/feed.ts';
import { createFileStorage } from '../../src/media/files/storage.ts';
import type { MediaStorage, MediaWrite } from '../../src/media/media.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import type { Store } from '../../src/store/store.ts';
import { newId } from '../../src/tasks/ids.ts';
import { momentAt } from '../../src/time/clock.ts';
import type { Timers } from '../../src/time/timers.ts';
import { aNewTask, aRequest } from '../support/builders.ts';
import { anAccount, engineParts, fixedInterval, SETTINGS } from '../support/engineParts.ts';
import { createRecordingProvider } from '../support/recordingProvider.ts';
import { type Behaviour, createRecordingUpstream } from '../support/servers/recordingUpstream.ts';
import type { KINDS, Plan } from './plan.ts';

// One life of a gateway without HTTP: resumes the tasks of the previous life, submits, drives everything to its end, or dies
// where its plan says.

/** Virtual milliseconds per real one: back-off and patience take little real time. */
const SPEED = 50;

const plan: Plan = JSON.parse(process.argv[2] ?? '');

const passed = new Map<string, number>();
function pass(point: string): void {
  const times = (passed.get(point) ?? 0) + 1;
  passed.set(point, times);
  if (plan.kill?.point !== point || plan.kill.nth !== times) return;
  process.kill(process.pid, 'SIGKILL');
  // The signal may take a moment to arrive; nothing more may happen until then.
  for (;;);
}

async function around<T>(name: string, call: () => Promise<T>): Promise<T> {
  pass(`${name}:before`);
  const value = await call();
  pass(`${name}:after`);
  return value;
}

const BEHAVIOUR: Record<(typeof KINDS)[number], Behaviour> = {
  plain: { answers: ['in_progress', 'succeeded'] },
  slow: { answers: ['queued', 'queued', 'in_progress', { progress: 50 }, 'missing', 'succeeded'] },
  busy: {
    start: [{ refuse: 'rate_limited', retryAfterMs: 500 }, { refuse: 'upstream_unavailable' }, 'accepted'],
  },
  'answer-lost': { start: ['answer_lost', 'accepted'] },
  'request-lost': { start: ['request_lost', 'accepted'] },
  rejected: { answers: ['in_progress', { failed: 'content_rejected', message: 'The prompt was refused.' }] },
  'broken-download': { open: [{ breakAfter: 7000 }, { breakAfter: 15_000 }, 'whole'] },
  'damaged-download': { open: ['damaged', { silentlyOnly: 9000 }, 'whole'] },
};

const opened = await openSqliteStore({ dir: plan.dir, exclusive: true, threads: true });
const store: Store = {
  ...opened,
  accept: (acceptance) => around('accept', () => opened.accept(acceptance)),
  commit: (move, media) =>
    around(`commit ${move.from.phase}>${move.task.phase}`, () => opened.commit(move, media)),
  claim: (move) => around(`commit ${move.from.phase}>${move.task.phase}`, () => opened.claim(move)),
  adopt: (owner, limit) => around('adopt', () => opened.adopt(owner, limit)),
  putMedia: (rows) => around('putMedia', () => opened.putMedia(rows)),
};

const files = createFileStorage({ root: join(plan.dir, 'media') });
const storage: MediaStorage = { ...files, write: async (key) => mortalWrite(await files.write(key)) };

function mortalWrite(write: MediaWrite): MediaWrite {
  return {
    ...write,
    append: (stream, offset) =>
      around('append', () => {
        let bytes = 0;
        const halfWay = new Transform({
          transform(piece: Buffer, _encoding, next) {
            bytes += piece.length;
            if (bytes > 10_000) pass('append:half way');
            next(null, piece);
          },
        });
        stream.on('error', (error) => halfWay.destroy(error));
        return write.append(stream.pipe(halfWay), offset);
      }),
    commit: () => around('commit bytes', () => write.commit()),
  };
}

const upstream = createRecordingUpstream({
  path: join(plan.dir, 'upstream.jsonl'),
  behaviour: (prompt) => BEHAVIOUR[prompt.split(' ')[0] as keyof typeof BEHAVIOUR],
});
const provider = createRecordingProvider({
  upstream: {
    ...upstream,
    record(entry) {
      upstream.record(entry);
      if (entry.call === 'submit' && entry.upstreamId) pass('upstream took the job');
    },
  },
  abilities: ['pollMany', 'cancel', 'discard', ...(plan.find ? (['find'] as const) : [])],
});

const now = () => plan.epoch + Math.floor((Date.now() - plan.epoch) * SPEED);
const pending = new Set<NodeJS.Timeout>();
const timers: Timers = {
  monotonic: () => momentAt(performance.now() * SPEED),
  after(ms, fire) {
    const timer = setTimeout(fire, Math.max(0, ms) / SPEED);
    pending.add(timer);
    return () => clearTimeout(timer);
  },
  // As in production: a place that lingers for longer keeps no process alive.
  close() {
    for (const timer of pending) clearTimeout(timer);
  },
};

const feed = createFeed();
const { find } = provider;
const engine = createEngine(
  engineParts({
    store,
    cluster: soloCluster(`node-${newId()}`),
    storage,
    accounts: [
      anAccount(
        {
          ...provider,
          submit: (job, signal) => around('submit', () => provider.submit(job, signal)),
          poll: (handle, signal) => around('poll', () => provider.poll(handle, signal)),
          open: (handle, result, offset, signal) =>
            around('open', () => provider.open(handle, result, offset, signal)),
          discard: (handle, signal) => around('discard', async () => provider.discard?.(handle, signal)),
          ...(find ? { find: (lost, signal) => around('find', () => find(lost, signal)) } : {}),
        },
        {
          // Without a search, each killed submission occupies its place for half an hour.
          limits: {
            inFlight: plan.find ? 3 : 12,
            submitsPerMinute: 6000,
            pollsPerSecond: 100,
            minPollIntervalMs: 500,
          },
        },
      ),
    ],
    clock: { now },
    timers,
    feed,
    tracker: fixedInterval(500, 1000),
    settings: {
      ...SETTINGS,
      maxAttempts: 10,
      callTimeoutMs: 10_000,
      downloadConcurrency: 2,
      retentionMs: 10 * 86_400_000,
      eventRetentionMs: 10 * 86_400_000,
      downloadPatienceMs: 3_600_000,
    },
  }),
);

await engine.start();
await Promise.all(
  plan.submit.map(async (prompt) => {
    const { task } = await engine.submit(
      aNewTask({
        request: aRequest({ prompt }),
        keyId: `key ${prompt.length % 2}`,
        idempotency: { key: prompt, bodyHash: prompt, expiresAt: now() + 10 ** 9 },
      }),
    );
    // The kernel has the line before this returns: the acknowledgement survives the process.
    writeSync(1, `${JSON.stringify({ prompt, id: task.id })}\n`);
  }),
);

await new Promise<void>((resolve) => {
  const check = () => {
    if (engine.unfinished === 0) resolve();
  };
  feed.onChange(check);
  check();
});
await engine.drain(10_000);
await opened.close();
