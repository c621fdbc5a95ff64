import type { FastifyReply } from 'fastify';

/** Sends JSON that is serialised already. Answers about tasks are never kept by a cache on the way. */
export function sendSerialised(reply: FastifyReply, body: Buffer | string): FastifyReply {
  return reply
    .header('content-type', 'application/json; charset=utf-8')
    .header('cache-control', 'no-store')
    .send(body);
}
