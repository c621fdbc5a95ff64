import { expect, it } from 'vitest';
import { createAnnouncement, createFrames } from '../../../src/api/views/event.ts';
import { createLinks } from '../../../src/media/links/links.ts';
import { eventOf, type TaskEvent } from '../../../src/tasks/events.ts';
import { taskError } from '../../../src/tasks/reasons.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { aRequest, aTask, START_OF_TIME } from '../../support/builders.ts';

const FAILED = { phase: 'failed', error: taskError('cancelled', 'cancelled') } as const;
const clock = { now: () => START_OF_TIME };
const links = createLinks({
  baseUrl: () => 'https://videos.example',
  secrets: ['secret'],
  ttlMs: 1000,
  clock,
});
const parts = { links, givesUrl: () => true, clock };

function failedTask(api?: 'openai'): { task: Task; event: TaskEvent } {
  const task = aTask({ ...FAILED, request: aRequest(api ? { api } : {}) });
  const event = eventOf({ task, at: START_OF_TIME, event: 'video.failed' });
  if (!event) throw new Error('a failure is an event');
  return { task, event };
}

/** As a node of an earlier version stores it. */
function withoutApi({ task, ...event }: TaskEvent): TaskEvent {
  const { api: _, ...request } = task.request;
  return { ...event, task: { ...task, request } };
}

const UNIFIED = { type: 'video.failed', data: { status: 'failed' } };
const OPENAI = { type: 'video.failed', object: 'event', created_at: START_OF_TIME / 1000 };

it.each([
  [undefined, UNIFIED],
  ['openai', OPENAI],
] as const)(
  'a webhook of a video of the API %s is in its words, also if the event does not tell the API',
  async (api, words) => {
    const { task, event } = failedTask(api);
    const asked: string[] = [];
    const announce = createAnnouncement({
      ...parts,
      task: async (id) => {
        asked.push(id);
        return task;
      },
    });
    const body = await announce(event);
    expect(body).toMatchObject({ id: event.id, ...words });
    expect(body).not.toHaveProperty('api');
    expect(asked).toEqual([]);
    expect(await announce(withoutApi(event))).toEqual(body);
    expect(asked).toEqual([task.id]);
  },
);

it('the stream of events tells which API a video was made through, if not the unified one', async () => {
  const told = async (event: TaskEvent) =>
    JSON.parse(String((await createFrames(parts)({ event, cursor: 'c' })).bytes).split('data: ')[1] ?? '');
  expect(await told(failedTask('openai').event)).toMatchObject({ type: 'video.failed', api: 'openai' });
  for (const { event } of [failedTask(), { event: withoutApi(failedTask('openai').event) }])
    expect(await told(event)).not.toHaveProperty('api');
});
