import { PassThrough } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { isTerminal, type Task } from '../../tasks/task.ts';
import { type ApiContext, type App, ownTask } from '../context.ts';
import { TASK_ERRORS } from '../schemas.ts';

/** How often a comment line is sent, so that proxies do not close an idle stream. Milliseconds. */
const HEARTBEAT_MS = 15_000;

/** `GET …/{task_id}/events`: a server-sent event for each change until the task is finished. */
export function eventRoute(app: App, context: ApiContext): void {
  const { engine, feed, snapshots, draining } = context;

  app.route({
    method: ['GET', 'HEAD'],
    url: '/v1/video/generations/:task_id/events',
    schema: {
      operationId: 'watchVideoTask',
      summary: 'Watch a video task',
      description:
        'Server-sent events named `task`; their data is the answer of a query. The stream ends when the task is finished.',
      tags: ['Video'],
      params: z.object({ task_id: z.string() }),
      response: { 200: z.string().describe('`text/event-stream`'), ...TASK_ERRORS },
    },
    handler: async (request, reply) => {
      const task = await ownTask(context, request, request.params.task_id);
      reply.headers({ 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      // For HEAD, Fastify would still create the stream and only not send it.
      if (request.method === 'HEAD') return sendStream(reply, undefined);
      const stream = eventsOf(task);
      // The client may have disconnected while the task was read. Later disconnects destroy the stream by themselves.
      if (request.raw.socket.destroyed) stream.destroy();
      return sendStream(reply, stream);
    },
  });

  /** Streams the events of a task, beginning with its current state. The listeners are removed when the stream is closed. */
  function eventsOf(task: Task): PassThrough {
    const stream = new PassThrough();
    const heartbeat = setInterval(() => stream.write(':\n\n'), HEARTBEAT_MS);
    const stopFeed = feed.onTask(task.id, (change) => send(change.task));
    const stopDrain = draining.onRelease(() => stream.end());
    stream.once('close', () => {
      clearInterval(heartbeat);
      stopFeed();
      stopDrain();
    });
    const fail = (error: unknown): void => {
      stream.destroy(error instanceof Error ? error : new Error(String(error)));
    };

    let newest = 0;
    // Sent one after the other: signing links is asynchronous, and a later answer must not overtake an earlier one.
    let sent = Promise.resolve();
    function send(current: Task): void {
      // A read that began before a change may end after the change was sent.
      if (current.version < newest) return;
      newest = current.version;
      sent = sent
        .then(async () => {
          if (stream.writableEnded) return;
          const { body, etag } = await snapshots.of(current);
          if (stream.writableEnded || stream.destroyed) return;
          stream.write(`event: task\nid: ${etag}\ndata: ${body}\n\n`);
          if (isTerminal(current.phase)) stream.end();
        })
        .catch(fail);
    }
    // Read again, because a change between the first read and the subscription was missed.
    engine.read(task.id).then((current) => send(current ?? task), fail);
    return stream;
  }
}

/** Untyped send: the schema declares the text of the stream, but the payload is the stream itself, or nothing for HEAD. */
const sendStream = (reply: FastifyReply, stream: PassThrough | undefined): FastifyReply => reply.send(stream);
