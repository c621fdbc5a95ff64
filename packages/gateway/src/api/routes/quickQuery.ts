import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';
import { hasScope } from '../../auth/keyring.ts';
import { isRated } from '../../auth/requestRates.ts';
import { createRequestLog, levelOf, logCompleted, requestIdOf } from '../../observability/requestLog.ts';
import type { ApiContext } from '../context.ts';
import { checkConditions } from '../http/conditions.ts';
import type { RequestCounts } from '../http/requestCounts.ts';
import { addFields, QUERY_PATH } from './query.ts';

/** Answers a request, or returns false and leaves it untouched. */
type QuickAnswer = (request: IncomingMessage, response: ServerResponse) => boolean;

const PREFIX = '/v1/video/generations/';
const LENGTH = `${PREFIX}video_0123456789abcdef0123456789abcdef`.length;

/**
 * Answers the queries that clients send all the time, ahead of the router: plain ones, with a key that is cached, of a task whose answer
 * is cached. Everything else, errors included, is for the router, which would answer these with the same bytes.
 */
export function createQuickQuery(context: ApiContext, counts: RequestCounts): QuickAnswer {
  const { draining, keyring, logger, settings, snapshots } = context;
  const counted = counts.of('GET', QUERY_PATH);
  const answersPages = settings.corsOrigins.length > 0;

  return (request, response) => {
    const { method, url = '', headers, socket } = request;
    if (method !== 'GET' || url.length !== LENGTH || !url.startsWith(PREFIX)) return false;
    if (draining.begun || !isPlain(headers) || (answersPages && headers.origin !== undefined)) return false;
    const key = keyring.known(headers.authorization, socket);
    if (!key || !hasScope(key, 'read') || isRated(key)) return false;
    const snapshot = snapshots.cached(url.slice(PREFIX.length));
    if (snapshot?.task.projectId !== key.projectId || snapshot.task.deletedAt !== undefined) return false;

    endUnread(request);
    const began = performance.now();
    const verdict = checkConditions(headers, method, snapshot);
    const status = verdict === 'proceed' ? 200 : 304;
    const id = requestIdOf(request);
    const level = levelOf(method, status);
    if (logger.isLevelEnabled(level))
      response.once('finish', () =>
        logCompleted(
          createRequestLog(logger, { request: id }),
          level,
          { method, url },
          { statusCode: status, elapsedTime: performance.now() - began },
          key.id,
        ),
      );
    const fields = answersPages ? ['vary', 'Origin', 'x-request-id', id] : ['x-request-id', id];
    addFields(fields, snapshot, verdict);
    response.writeHead(status, fields);
    if (verdict === 'proceed') response.end(snapshot.body, 'latin1');
    else response.end();
    counted.answered(status, performance.now() - began);
    return true;
  };
}

/** Whether a request says nothing about its answer but what this path understands. */
const isPlain = (headers: IncomingHttpHeaders): boolean =>
  headers.host !== undefined &&
  headers.prefer === undefined &&
  headers['if-match'] === undefined &&
  headers['if-unmodified-since'] === undefined &&
  headers['content-length'] === undefined &&
  headers['transfer-encoding'] === undefined;

/** What Node has for requests without a body, and does by itself only for those of a whole server. */
type Endable = IncomingMessage & { _dumpAndCloseReadable?(): void };

/**
 * Ends the body of a request that has none, as `optimizeEmptyRequests` of Node does. Otherwise Node sends the events of a stream that
 * nobody reads, which takes 5% of a query. The option itself would hang the requests that have a content type and no body.
 */
function endUnread(request: Endable): void {
  request._dumpAndCloseReadable?.();
  request._read(0);
}

/** Lets `answer` see every request of a server before its router. */
export function answerAheadOfRouter(server: Server, answer: QuickAnswer): void {
  const [route] = server.listeners('request');
  server.removeAllListeners('request');
  server.on('request', (request, response) => {
    if (!answer(request, response)) route?.call(server, request, response);
  });
}
