import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createFileStorage } from '../../src/media/files/storage.ts';
import type { KeyRow } from '../../src/store/projects.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import type { MediaRow, Store } from '../../src/store/store.ts';
import { newId } from '../../src/tasks/ids.ts';
import { taskError } from '../../src/tasks/reasons.ts';
import type { Phase, Task } from '../../src/tasks/task.ts';
import { INTENT, moved } from '../store/contract/steps.ts';
import { anEndpoint } from '../store/contract/webhooks.ts';
import { aKey, aMediaRow, anAcceptance, aRequest, aTask, START_OF_TIME } from '../support/builders.ts';

/** Text that databases treat differently. */
export const ODD = 'a "boat"\\u0000 \\\\ \u0000 \u{1f6a4} \ud83d e\u0301 \u202e\u2028\n\t’);--';

/** The content that was put into a store. */
export interface Contents {
  /** A task in each phase, and a deleted one. */
  readonly tasks: ReadonlyMap<Phase | 'deleted', Task>;
  readonly keys: readonly KeyRow[];
  readonly media: readonly (MediaRow & { readonly content: Buffer })[];
}

/** A data folder with tasks in every phase, keys, and media with their bytes. */
export async function fillFolder(dir: string): Promise<Contents> {
  const store = await openSqliteStore({ dir, exclusive: true });
  try {
    const contents = await fill(store);
    await store.secret('links', () => 'the secret of links');
    await store.putEstimate({ kind: 'openai sora-2', data: '{}', version: 0 }, 10);
    const files = createFileStorage({ root: join(dir, 'media') });
    for (const { storageKey, content } of contents.media) {
      const write = await files.write(storageKey);
      await write.append(Readable.from([content]), 0);
      await write.commit();
    }
    return contents;
  } finally {
    await store.close();
  }
}

/** Puts a task in each phase into a store, with everything that belongs to it. */
export async function fill(store: Store): Promise<Contents> {
  const keys = [
    aKey({ name: 'one' }),
    aKey({ name: ODD.replaceAll('\0', ''), projectId: 'other', expiresAt: 2 ** 43 }),
  ];
  for (const key of keys) {
    await store.putKey(key, { at: START_OF_TIME, actor: 'cli', action: 'key.create', subject: key.id });
  }
  await store.revokeKey(keys[1]?.id ?? '', START_OF_TIME + 1, {
    at: START_OF_TIME + 1,
    actor: 'cli',
    action: 'key.revoke',
    subject: keys[1]?.id ?? '',
  });

  // Events are announced here.
  const description = ODD.replaceAll('\0', '');
  await store.addEndpoint(anEndpoint({ events: ['video.failed'], description }), 'secret', 10);
  await store.rotateSecret('project', '', 'secret of the project', 2 ** 43);

  const tasks = new Map<Phase | 'deleted', Task>();
  const media: (MediaRow & { content: Buffer })[] = [];
  const make = async (name: Phase | 'deleted', ...steps: Parameters<typeof moved>[1][]): Promise<void> => {
    const input = withContent(aMediaRow({ kind: 'input', contentType: 'image/png' }), `the image of ${name}`);
    const request = aRequest({
      prompt: `${name} ${ODD}`,
      metadata: { [ODD.replaceAll('\0', '')]: ODD },
      image: { mediaId: input.id, contentType: 'image/png', bytes: 1, width: 1, height: 1 },
    });
    let task = aTask({ request, keyId: keys[0]?.id ?? '' });
    const { content: _, ...row } = { ...input, taskId: task.id };
    const idempotency = { key: `once ${name}`, bodyHash: name, expiresAt: 2 ** 43 };
    const quota = { project: { tasksInFlight: 100 }, key: {}, currency: 'USD' };
    await store.accept(anAcceptance(task, { media: [row], idempotency, quota }));
    media.push({ ...row, content: input.content });
    for (const step of steps) {
      const move = moved(task, step);
      const video = withContent(aMediaRow({ taskId: task.id }), `the video of ${name}`);
      const { content, ...videoRow } = video;
      const stored = step.type === 'stored';
      if (!(await store.commit(move, stored ? [videoRow] : []))) throw new Error(`${name} was not moved`);
      if (stored) media.push({ ...videoRow, content });
      task = move.task;
    }
    tasks.set(name, task);
  };

  const intent = () => ({ ...INTENT, idempotencyKey: newId() });
  const confirmed = () => ({ type: 'submit_confirmed', upstreamId: newId(), working: true }) as const;
  const upstream = { type: 'upstream_succeeded', result: { ref: ODD, duration: 4.04 } } as const;
  const refused = { type: 'submit_refused', detail: ODD } as const;
  const stored = {
    type: 'stored',
    result: {
      videoId: newId(),
      bytes: 1,
      sha256: '0'.repeat(64),
      duration: 3.04,
      width: 2,
      height: 2,
      videoCodec: 'h264',
      expiresAt: 2 ** 43,
    },
  } as const;
  const failed = {
    type: 'failed',
    error: taskError('upstream_failed', ODD),
    outcome: 'failed',
    detail: ODD,
  } as const;
  await make('accepted', intent(), refused, { type: 'cancel_requested' });
  await make('submitting', intent(), refused, intent());
  await make('running', intent(), confirmed());
  await make('storing', intent(), confirmed(), upstream);
  await make('succeeded', intent(), confirmed(), upstream, stored);
  await make('failed', intent(), confirmed(), failed);
  await make('deleted', intent(), confirmed(), failed, { type: 'deleted' });
  const ended = [tasks.get('deleted')?.id ?? ''];
  await store.summariseLedger({ ids: ended, now: 2 ** 43, keepMs: 0 });
  return { tasks, keys, media };
}

function withContent(row: MediaRow, words: string): MediaRow & { content: Buffer } {
  const content = Buffer.from(words.repeat(1000));
  const sha256 = createHash('sha256').update(content).digest('hex');
  return { ...row, bytes: content.length, sha256, content };
}
