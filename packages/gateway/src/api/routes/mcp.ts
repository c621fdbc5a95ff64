import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import type { FastifyRequest } from 'fastify';
import { type CallApi, retryAfterOf } from '../../mcp/api.ts';
import { isLocalhost } from '../../net/allowList.ts';
import { OnetakeError } from '../../tasks/errors.ts';
import type { ApiContext, ApiSettings, App } from '../context.ts';
import { originPolicy } from '../http/cors.ts';
import { hangUpSignal } from '../http/hangUp.ts';

/**
 * `/mcp`: the Model Context Protocol over Streamable HTTP, without sessions. Its tools call the routes of this server as the client's key may,
 * so that everything that they check holds for agents too.
 */
export function mcpRoute(app: App, context: ApiContext): void {
  const { draining, settings, log } = context;
  const stopping = new AbortController();
  draining.onRelease(() => stopping.abort());

  app.route({
    method: ['GET', 'POST', 'DELETE'],
    url: '/mcp',
    bodyLimit: settings.bodyLimit,
    config: { scope: 'read' },
    schema: { hide: true },
    handler: async (request, reply) => {
      refuseOtherSites(request, settings);
      const { authorization = '' } = request.headers;
      const call = callOf(app, authorization);
      // Imported for the first agent, because a gateway without agents needs neither.
      const [{ createMcpHandler }, { createMcpServer }] = await Promise.all([
        import('@modelcontextprotocol/server'),
        import('../../mcp/server.ts'),
      ]);
      const handler = createMcpHandler(
        ({ era }) => createMcpServer(call, settings.version, era, stopping.signal),
        {
          // Nothing here changes that a client could subscribe to.
          maxSubscriptions: 0,
          onerror: (err) => log.debug({ event: 'mcp.failed', err }, 'an MCP request failed'),
        },
      );
      const answer = await handler.fetch(webRequest(request, hangUpSignal(reply)), {
        parsedBody: request.body,
      });
      reply.code(answer.status).headers(Object.fromEntries(answer.headers));
      return answer.body ? reply.send(Readable.fromWeb(answer.body as ReadableStream)) : reply.send();
    },
  });
}

/** A name or an address of this machine, as `URL.hostname` has it. */
const isLoopbackHost = (hostname: string): boolean =>
  isLocalhost(hostname) || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);

/** Requests that go through all hooks and routes of this server, without a connection. */
const callOf =
  (app: App, authorization: string): CallApi =>
  async ({ method, path, body, idempotencyKey, signal }) => {
    const { statusCode, headers, rawPayload } = await app.inject({
      method,
      url: path,
      headers: {
        authorization,
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
      },
      ...(body === undefined ? {} : { payload: body as object }),
      ...(signal ? { signal } : {}),
    });
    return {
      status: statusCode,
      contentType: String(headers['content-type'] ?? ''),
      retryAfter: retryAfterOf(headers['retry-after']),
      bytes: rawPayload,
    };
  };

/** The body is given beside it, because it was read already. */
function webRequest({ method, url, headers }: FastifyRequest, signal: AbortSignal): Request {
  const given = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] satisfies [string, string]],
  );
  return new Request(new URL(url, 'http://gateway'), { method, headers: new Headers(given), signal });
}

/**
 * The protocol demands it: a page of another site must not talk to a server on the user's own machine. That the page has the `Host` of the
 * request proves nothing, because its name may lead here (DNS rebinding). The key protects what this does not.
 */
function refuseOtherSites(
  { headers: { origin } }: FastifyRequest,
  { publicUrl, corsOrigins }: ApiSettings,
): void {
  if (origin === undefined || originPolicy(corsOrigins)(origin)) return;
  const { host, hostname = '' } = URL.parse(origin) ?? {};
  if (isLoopbackHost(hostname) || (publicUrl !== undefined && URL.parse(publicUrl)?.host === host)) return;
  throw new OnetakeError(
    'forbidden',
    403,
    'Pages of other sites may not call /mcp unless ONETAKE_CORS_ORIGINS lists their origin.',
  );
}
