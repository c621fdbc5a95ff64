import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { isTerminal, type Task } from '../../tasks/task.ts';
import { type ApiContext, type App, keyOf, ownTask } from '../context.ts';
import { ErrorAnswer, TASK_ERRORS } from '../schemas.ts';
import { type EventStream, sendEvents } from '../streams.ts';
import { serverSent } from '../views/event.ts';
import { textOf } from '../views/snapshots.ts';

/** `GET …/{task_id}/events`: a server-sent event for each change, and for progress, until the task is finished. */
export function taskEventsRoute(app: App, context: ApiContext): void {
  const { engine, feed, snapshots, streams } = context;

  app.route({
    method: ['GET', 'HEAD'],
    url: '/v1/video/generations/:task_id/events',
    config: { scope: 'read' },
    schema: {
      operationId: 'watchVideoTask',
      summary: 'Watch a video task',
      description:
        'Server-sent events named `task`; their data is the answer of a query, also when only its progress has changed. The stream ends when the task is finished. `GET /v1/events` watches all tasks.',
      tags: ['Video'],
      params: z.object({ task_id: z.string() }),
      response: {
        200: z.string().describe('`text/event-stream`'),
        ...TASK_ERRORS,
        429: ErrorAnswer.describe('Too many event streams are open'),
      },
    },
    handler: async (request, reply) => {
      const task = await ownTask(context, request, request.params.task_id);
      if (request.method === 'HEAD') return sendEvents(reply, undefined);
      const { body } = eventsOf(task, request);
      // The client may have disconnected while the task was read. Later disconnects destroy the stream by themselves.
      if (request.raw.socket.destroyed) body.destroy();
      return sendEvents(reply, body);
    },
  });

  /** Streams the events of a task, beginning with its current state. The listeners are removed when the stream is closed. */
  function eventsOf(task: Task, request: FastifyRequest): EventStream {
    const stream = streams.open(keyOf(request), () => {
      stopFeed();
      stopProgress();
    });
    const stopFeed = feed.onTask(task.id, (change) => send(change.task));
    const stopProgress = feed.onProgress(task.id, () => newest && send(newest));
    const fail = (error: unknown): void => {
      stream.body.destroy(error instanceof Error ? error : new Error(String(error)));
    };

    let newest: Task | undefined;
    let last = '';
    // Sent one after the other: signing links is asynchronous, and a later answer must not overtake an earlier one.
    let sent = Promise.resolve();
    function send(current: Task): void {
      // A read that began before a change may end after the change was sent.
      if (newest && current.version < newest.version) return;
      newest = current;
      sent = sent
        .then(async () => {
          if (stream.isClosed) return;
          const snapshot = await snapshots.of(current);
          const { etag } = snapshot;
          if (etag === last) return;
          last = etag;
          stream.push(serverSent('task', etag, textOf(snapshot)));
          if (isTerminal(current.phase)) stream.end();
        })
        .catch(fail);
    }
    // Read again, because a change between the first read and the subscription was missed.
    engine.read(task.id).then((current) => send(current ?? task), fail);
    return stream;
  }
}
