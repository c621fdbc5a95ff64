import type { FastifyReply } from 'fastify';

/** Sends JSON that is already serialised. HTTP caches must not store answers about tasks. */
export function sendSerialised(reply: FastifyReply, body: Buffer | string): FastifyReply {
  return reply
    .header('content-type', 'application/json; charset=utf-8')
    .header('cache-control', 'no-store')
    .send(body);
}
