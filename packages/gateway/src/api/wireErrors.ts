import { randomUUID } from 'node:crypto';
import { type IncomingMessage, METHODS, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FastifyServerOptions } from 'fastify';
import type { Log } from '../observability/log.ts';
import { OnetakeError } from '../tasks/errors.ts';
import { errorBody } from './errors.ts';
import type { AnsweringSocket } from './shutdown.ts';

type WireError = Parameters<NonNullable<FastifyServerOptions['clientErrorHandler']>>[0];

/** How long a refused client's data is still read. Closing a socket with unread bytes resets it, and the answer would be lost. Milliseconds. */
const LINGER_MS = 1000;

/**
 * Fastify's `clientErrorHandler`: answers input that the HTTP parser refuses, before there is a request for hooks and routes. `count` is told of
 * the status of each answer.
 */
export function createParserErrorHandler(
  log: Log,
  count: (status: number) => void,
): (error: WireError, socket: Socket) => void {
  // The parser also refuses every later chunk of the connection.
  const refused = new WeakSet<Socket>();

  function answerInTurn(error: WireError, socket: AnsweringSocket): void {
    const answering = socket._httpMessage;
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
    // This request is complete. Its answer is sent first, and those of the requests behind it, then the error for the input that followed them.
    else if (answering?.req.complete) answering.once('finish', () => answerInTurn(error, socket));
    else if (answering?.headersSent) socket.destroy();
    else {
      const refusal = explained(error);
      count(refusal.status);
      sendOnSocket(socket, refusal, log);
    }
  }

  return (error, socket) => {
    if (refused.has(socket)) return;
    refused.add(socket);
    answerInTurn(error, socket);
  };
}

/** Answers requests that never reach a route and that Node would answer without a body: `CONNECT`, and an unknown `Expect`. */
export function answerUnrouted(server: Server, log: Log, count: (status: number) => void): void {
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    const message = `"Expect: ${request.headers.expect}" is not supported; leave the header out, or send "100-continue".`;
    const { head, body } = composed(new OnetakeError('expectation_failed', 417, message), log);
    count(417);
    response.writeHead(417, { ...head, connection: 'close' }).end(body);
  });
  server.on('connect', (_request: IncomingMessage, socket: Duplex) => {
    const message = 'This server is not a proxy; send requests for its own paths.';
    count(405);
    if (socket instanceof Socket)
      sendOnSocket(socket, new OnetakeError('method_not_allowed', 405, message), log, { allow: 'GET, POST' });
  });
}

function explained({ code, rawPacket }: WireError): OnetakeError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new OnetakeError(
        'headers_too_large',
        431,
        'The address and the headers have more than 16 KiB together; send less.',
      );
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new OnetakeError('body_too_large', 413, 'The chunk extensions are too long; leave them out.');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new OnetakeError('request_timeout', 408, 'The request took too long to arrive; send it again.');
    case 'HPE_INVALID_METHOD':
      return isRequestLine(rawPacket)
        ? new OnetakeError('method_unknown', 501, 'This method is not known; see /docs.')
        : malformed(code);
    default:
      return malformed(code);
  }
}

const malformed = (code = 'no reason given'): OnetakeError =>
  new OnetakeError('invalid_request', 400, `The request is not valid HTTP/1.1 (${code}).`);

/** Whether only the method is wrong and the rest of the request line is valid (RFC 9112, section 3). */
function isRequestLine(packet: unknown): boolean {
  const start = Buffer.isBuffer(packet) ? packet.toString('latin1', 0, 4096) : '';
  const [, method = ''] = /^([!#$%&'*+.^_`|~\w-]+) [^\s\p{Cc}]+ HTTP\/1\.[01]\r\n/u.exec(start) ?? [];
  return method !== '' && !METHODS.includes(method);
}

function sendOnSocket(
  socket: Socket,
  error: OnetakeError,
  log: Log,
  more: Readonly<Record<string, string>> = {},
): void {
  if (!socket.writable) return void socket.destroy();
  const { head, body } = composed(error, log);
  const lines = Object.entries({ ...head, ...more, connection: 'close', date: new Date().toUTCString() });
  const headers = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  socket.end(`HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}\r\n${headers}\r\n${body}`);
  const linger = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(linger));
}

function composed(error: OnetakeError, log: Log): { head: Record<string, string>; body: string } {
  const id = randomUUID();
  log.info(
    { event: 'request.refused', request: id, status: error.status, reason: error.code },
    'request refused by the HTTP parser',
  );
  const body = JSON.stringify(errorBody(error, id));
  return {
    body,
    head: {
      'content-type': 'application/json; charset=utf-8',
      'content-length': String(Buffer.byteLength(body)),
      'cache-control': 'no-store',
      'x-request-id': id,
    },
  };
}
