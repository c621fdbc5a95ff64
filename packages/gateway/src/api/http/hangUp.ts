import type { FastifyReply } from 'fastify';

/** Aborted when the client goes away before its answer is sent: work that only it waits for need not be finished. */
export function hangUpSignal({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  const close = () => {
    if (!raw.writableFinished) gone.abort(new Error('the client has hung up'));
  };
  if (raw.destroyed) close();
  else raw.once('close', close);
  return gone.signal;
}
