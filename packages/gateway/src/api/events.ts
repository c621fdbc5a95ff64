import { PassThrough } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { isTerminal } from '../tasks/task.ts';
import { type ApiContext, type App, ownTask } from './context.ts';
import { ERRORS } from './schemas.ts';

/** A comment line this often keeps proxies from closing an idle stream. Milliseconds. */
const HEARTBEAT_MS = 15_000;

/** `GET …/{task_id}/events`: server-sent events, one for each change, until the task is finished. */
export function eventRoute(app: App, context: ApiContext): void {
  const { engine, feed, snapshots, draining } = context;

  app.get(
    '/v1/video/generations/:task_id/events',
    {
      schema: {
        operationId: 'watchVideoTask',
        summary: 'Watch a video task',
        description:
          'Server-sent events named `task`, each with the answer of a query as its data. The stream ends when the task does.',
        tags: ['Video'],
        params: z.object({ task_id: z.string() }),
        response: { 200: z.string().describe('`text/event-stream`'), ...ERRORS },
      },
    },
    async (request, reply) => {
      const task = await ownTask(context, request, request.params.task_id);
      const stream = new PassThrough();
      const heartbeat = setInterval(() => stream.write(':\n\n'), HEARTBEAT_MS);
      const stopFeed = feed.onTask(task.id, (change) => send(change.task));
      stream.on('close', () => {
        clearInterval(heartbeat);
        stopFeed();
      });

      let newest = 0;
      // One after the other: an answer that waits for its links must not be overtaken by a later one.
      let sent = Promise.resolve();
      function send(current: typeof task): void {
        // A read that began before a change may end after it was sent.
        if (current.version < newest) return;
        newest = current.version;
        sent = sent
          .then(async () => {
            if (stream.writableEnded) return;
            const { body, etag } = await snapshots.of(current);
            if (stream.writableEnded) return;
            stream.write(`event: task\nid: ${etag}\ndata: ${body}\n\n`);
            if (isTerminal(current.phase)) stream.end();
          })
          .catch(
            (error: unknown) =>
              void stream.destroy(error instanceof Error ? error : new Error(String(error))),
          );
      }
      send((await engine.read(task.id)) ?? task);
      stream.on(
        'close',
        draining.onRelease(() => stream.end()),
      );
      reply.headers({ 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      return sendStream(reply, stream);
    },
  );
}

/** The schema describes the text of the stream; the reply is the stream itself. */
const sendStream = (reply: FastifyReply, stream: PassThrough): FastifyReply => reply.send(stream);
