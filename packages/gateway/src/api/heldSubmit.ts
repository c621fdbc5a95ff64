import { PassThrough } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { statusOf, type Task } from '../tasks/task.ts';
import type { ApiContext } from './context.ts';
import { textOf } from './views/snapshots.ts';
import { type Wait, watchStatus } from './waiting.ts';

/** How often white space is sent before the body, so that proxies do not close an idle connection. Milliseconds. */
const HEARTBEAT_MS = 15_000;

/**
 * Answers a submit with the headers now, as the task is stored, and with the task once it is as awaited or the time is over. So a
 * client that loses the connection knows what it has paid for. White space may precede JSON (RFC 8259, section 2).
 */
export function sendHeld(
  context: Pick<ApiContext, 'feed' | 'draining' | 'snapshots' | 'settings'>,
  reply: FastifyReply,
  task: Task,
  wait: Wait,
  /** What the submit answers otherwise: sent if the task cannot be read. */
  accepted: object,
): FastifyReply {
  reply.headers({
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    // nginx would keep the headers back until the body comes.
    'x-accel-buffering': 'no',
    location: `${context.settings.publicUrl ?? ''}/v1/video/generations/${task.id}`,
    'onetake-task-id': task.id,
    ...(wait.applied === undefined ? {} : { 'preference-applied': wait.applied }),
  });
  const body = new PassThrough();
  body.write('\n');
  const heartbeat = setInterval(() => body.write('\n'), HEARTBEAT_MS);
  awaited(context, reply, task.id, wait)
    // The task is stored all the same: that it cannot be read now must not look like its failure.
    .catch(() => undefined)
    .then((answer) => {
      clearInterval(heartbeat);
      body.end(answer ?? JSON.stringify(accepted));
    });
  return reply.send(body);
}

/** The answer of a query, once the task is as awaited. */
async function awaited(
  context: Pick<ApiContext, 'feed' | 'draining' | 'snapshots'>,
  reply: FastifyReply,
  taskId: string,
  { isOver, seconds }: Wait,
): Promise<string | undefined> {
  const watch = watchStatus(context, taskId);
  try {
    const now = await context.snapshots.read(taskId);
    if (now && isOver(statusOf(now.task), 'queued')) return textOf(now);
    await watch.until((status) => isOver(status, 'queued'), seconds, reply);
  } finally {
    watch.stop();
  }
  const read = await context.snapshots.read(taskId);
  return read && textOf(read);
}
