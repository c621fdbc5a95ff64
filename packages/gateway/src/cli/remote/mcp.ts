import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { request } from 'undici';
import { type CallApi, NotSent, retryAfterOf } from '../../mcp/api.ts';
import { createMcpServer } from '../../mcp/server.ts';
import { errorCodes } from '../../net/machineTrouble.ts';
import { neverSent } from '../../providers/http/lostCall.ts';
import { VERSION } from '../../version.ts';
import { connectionOf, type Given } from './connection.ts';
import { UNREACHABLE } from './failure.ts';

/** A query is held for seconds, and an answer may have a poster. Milliseconds. */
const CALL_MS = 60_000;

/** `onetake mcp`: serves the Model Context Protocol on standard input and output, until the client closes them. */
export async function mcpCommand(given: Given): Promise<void> {
  const { url, apiKey } = connectionOf(given, process.env);
  const ended = Promise.withResolvers<void>();
  process.stdin.once('close', ended.resolve);
  const server = serveStdio(({ era }) => createMcpServer(callOf(url, apiKey), VERSION, era), {
    onerror: (error) => process.stderr.write(`${error.message}\n`),
  });
  await ended.promise;
  await server.close();
}

const callOf =
  (url: string, key: string): CallApi =>
  async ({ method, path, body, idempotencyKey, signal }) => {
    const timeout = AbortSignal.timeout(CALL_MS);
    try {
      const answer = await request(new URL(path, url), {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
        },
        body: body === undefined ? null : JSON.stringify(body),
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
      return {
        status: answer.statusCode,
        contentType: String(answer.headers['content-type'] ?? ''),
        retryAfter: retryAfterOf(answer.headers['retry-after']),
        bytes: Buffer.from(await answer.body.arrayBuffer()),
      };
    } catch (error) {
      signal?.throwIfAborted();
      throw unanswered(error, url);
    }
  };

/** What an agent reads of a call without an answer, and with it whoever has to mend it. */
function unanswered(error: unknown, url: string): Error {
  const why = errorCodes(error)[0] ?? (error instanceof Error ? error.message : String(error));
  if (neverSent(error)) return new NotSent(`${url} could not be reached (${why}). ${UNREACHABLE}`);
  return new Error(`the connection to ${url} broke, or there was no answer (${why}). ${UNREACHABLE}`, {
    cause: error,
  });
}
