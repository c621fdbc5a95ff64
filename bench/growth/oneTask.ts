import { type Event, move, type Store, type Task } from '@onetake/gateway';

/** What differs from one finished task to the next. */
export interface Varied {
  readonly id: string;
  readonly projectId: string;
  readonly keyId: string;
  readonly model: string;
  /** A pair of the task's metadata. */
  readonly user: string;
  readonly accountId: string;
  readonly idempotencyKey: string;
  readonly upstreamId: string;
  readonly videoId: string;
  readonly posterId: string;
  readonly sha256: string;
  /** When it was accepted, milliseconds UTC. */
  readonly at: number;
}

/** What became of a task. */
export const ENDS = ['running', 'failed', 'succeeded'] as const;
export type End = (typeof ENDS)[number];

const WEEK = 7 * 86_400_000;
const PRICE = { currency: 'USD', microsPerSecond: 100_000, holdMicros: 400_000 };

/** Writes a task as the engine does, one transition after the other, with the files of its video. */
export async function writeTask(store: Store, end: End, varied: Varied): Promise<Task> {
  const { at, videoId, posterId, upstreamId } = varied;
  let task = acceptedTask(varied);
  await store.accept({
    task,
    ledger: [{ kind: 'hold', amountMicros: PRICE.holdMicros }],
    media: [],
  });
  const { accountId, idempotencyKey, sha256 } = varied;
  const steps: readonly (readonly [number, Event])[] = [
    [20, { type: 'submit_intended', accountId, idempotencyKey, upstreamModel: 'video-model-1' }],
    [500, { type: 'submit_confirmed', upstreamId, working: false }],
    [5000, { type: 'work_started' }],
  ];
  const ref = `https://videos.example.com/results/${upstreamId}.mp4?signature=${sha256}`;
  const error = {
    code: 502,
    reason: 'upstream_failed',
    message: 'The provider could not make this video.',
  } as const;
  const result = { videoId, posterId, bytes: 2_000_000, sha256, expiresAt: at + 60_000 + WEEK, ...FORMAT };
  const last: Readonly<Record<End, typeof steps>> = {
    running: [],
    failed: [[55_000, { type: 'failed', error, outcome: 'failed', detail: 'internal error' }]],
    succeeded: [
      [58_000, { type: 'upstream_succeeded', result: { ref, duration: 4 } }],
      [60_000, { type: 'stored', result }],
    ],
  };
  for (const [after, event] of [...steps, ...last[end]]) {
    const next = move(task, event, at + after);
    if (!next || !(await store.commit(next, event.type === 'stored' ? mediaOf(varied) : [])))
      throw new Error(`${event.type} was refused`);
    task = next.task;
  }
  return task;
}

const FORMAT = {
  duration: 4,
  width: 1280,
  height: 720,
  videoCodec: 'h264',
  audioCodec: 'aac',
  contentCredentials: 'absent',
} as const;

function acceptedTask({ id, projectId, keyId, model, user, at }: Varied): Task {
  return {
    id,
    projectId,
    keyId,
    request: {
      model,
      prompt: 'a paper boat on a rainy street, seen from above '.repeat(3),
      duration: 4,
      resolution: '720p',
      aspectRatio: '16:9',
      width: 1280,
      height: 720,
      metadata: { user, plan: 'pro' },
    },
    phase: 'accepted',
    version: 1,
    owner: 'dead',
    createdAt: at,
    deadlineAt: at + 21_600_000,
    price: PRICE,
  };
}

const mediaOf = ({ id, projectId, videoId, posterId, sha256, at }: Varied) =>
  (
    [
      [videoId, 'video', `video/${videoId}.mp4`, 'video/mp4', 2_000_000],
      [posterId, 'poster', `poster/${posterId}.jpg`, 'image/jpeg', 60_000],
    ] as const
  ).map(([mediaId, kind, storageKey, contentType, bytes]) => ({
    id: mediaId,
    projectId,
    taskId: id,
    kind,
    storageKey,
    contentType,
    state: 'present' as const,
    bytes,
    sha256,
    createdAt: at + 59_000,
    expiresAt: at + 60_000 + WEEK,
  }));
