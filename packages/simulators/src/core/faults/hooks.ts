import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Clock } from '../clock.ts';
import type { Answer } from '../http/answer.ts';
import type { LedgerWriter } from '../ledger.ts';
import { type Payload, spoil } from './bodies.ts';
import { FAULTS, type FaultRule, type FaultsInForce } from './faults.ts';
import { withWords } from './rewrites.ts';

/** The upstream's own answers to faults of the core. */
export interface TroubleAnswers {
  rateLimited(retryAfterSeconds: number | undefined): Answer;
  unavailable(status: number): Answer;
}

const DELAY_MS = 500;
const UNAVAILABLE = 503;

/** The page of a load balancer that cannot reach the upstream behind it, or of a server that is another one. */
const htmlPage = (status: number): Answer => ({
  status,
  body: `<html>\r\n<head><title>${status}</title></head>\r\n<body><center><h1>${status}</h1></center></body>\r\n</html>\r\n`,
  headers: { 'content-type': 'text/html' },
});

/** Counts every request in the ledger and applies the faults to it. */
export function hookFaults(
  app: FastifyInstance,
  options: {
    readonly upstream: string;
    readonly faults: FaultsInForce;
    readonly ledger: LedgerWriter;
    readonly clock: Clock;
    readonly answers: TroubleAnswers;
    /** The account of a request, known from its headers alone. */
    readonly accountOf: (headers: Record<string, unknown>, query: unknown) => string | undefined;
  },
): void {
  const { upstream, faults, clock } = options;
  app.decorateRequest('notes', undefined);

  app.addHook('onRequest', async (request) => {
    const operation = request.routeOptions.config.operation ?? 'other';
    const account = options.accountOf(request.headers, request.query);
    const fault = faults.meet({ upstream, operation, account });
    const record = {
      upstream,
      operation,
      method: request.method,
      path: request.url,
      at: clock.now(),
      account,
      job: undefined,
      status: undefined,
      fault: fault?.kind,
    };
    request.notes = { record, fault };
    options.ledger.request(record);
  });

  // The body has been read by now. A client that is still sending would take a reset for a failure of its own.
  app.addHook('preHandler', async (request, reply) => {
    const fault = request.notes?.fault;
    if (fault && FAULTS[fault.kind] === 'before') await trouble(fault, reply, options.answers);
  });

  app.addHook('onSend', async (request, reply, payload) => {
    const notes = request.notes;
    const skew = faults.skewMs(upstream);
    if (skew !== 0) reply.header('date', new Date(clock.now() + skew).toUTCString());
    const fault = notes?.fault;
    if (!notes || !fault || FAULTS[fault.kind] !== 'after') {
      if (notes) notes.record.status = reply.statusCode;
      return payload;
    }
    if (fault.kind === 'silence') await closed(reply);
    else if (fault.kind !== 'lost_answer') notes.record.status = reply.statusCode;
    return spoil(fault, reply, payload as Payload);
  });
}

async function trouble(fault: FaultRule, reply: FastifyReply, answers: TroubleAnswers): Promise<void> {
  switch (fault.kind) {
    case 'reset':
      reply.hijack();
      reply.raw.socket?.resetAndDestroy();
      return;
    case 'hang':
      reply.hijack();
      await closed(reply);
      return;
    case 'delay':
      await sleep(fault.delayMs ?? DELAY_MS);
      return;
    case 'server_error': {
      const status = fault.status ?? UNAVAILABLE;
      const { body, ...answer } = fault.html ? htmlPage(status) : answers.unavailable(status);
      const { words } = fault;
      const spoken = words === undefined ? body : JSON.parse(withWords(JSON.stringify(body), words));
      await give(reply, { ...answer, body: spoken });
      return;
    }
    case 'rate_limited':
      await give(reply, answers.rateLimited(fault.retryAfter));
      return;
  }
}

/** Sends an upstream's answer. */
export function give(reply: FastifyReply, answer: Answer): FastifyReply {
  return reply
    .code(answer.status)
    .headers(answer.headers ?? {})
    .send(answer.body);
}

function closed(reply: FastifyReply): Promise<void> {
  return new Promise((resolve) => {
    if (reply.raw.closed || reply.raw.destroyed) resolve();
    else reply.raw.once('close', () => resolve());
  });
}
