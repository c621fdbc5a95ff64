import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { request } from 'undici';
import { type CallApi, retryAfterOf } from '../../mcp/api.ts';
import { createMcpServer } from '../../mcp/server.ts';
import { VERSION } from '../../version.ts';
import { connectionOf, type Given } from './connection.ts';

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
  };
