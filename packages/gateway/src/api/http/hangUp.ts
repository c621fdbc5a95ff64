import type { FastifyReply } from 'fastify';

/** A signal that is aborted when the client disconnects before its answer is sent, to stop work that only this client waits for. */
export function hangUpSignal({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  const close = () => {
    if (!raw.writableFinished) gone.abort(new Error('the client has disconnected'));
  };
  if (raw.destroyed) close();
  else raw.once('close', close);
  return gone.signal;
}
