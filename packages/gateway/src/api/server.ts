import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import fastify, { type FastifyBaseLogger, type FastifyReply, LogController } from 'fastify';
import { validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { createRequestLog, logOf } from '../observability/requestLog.ts';
import { invalidRequest, OnetakeError } from '../tasks/errors.ts';
import { PLAIN_BYTES, useStrictJson } from './body/json.ts';
import type { ApiContext, App } from './context.ts';
import { answerError } from './errors.ts';
import { answerOtherMethods } from './http/methods.ts';
import { useOpenApi } from './openapi/document.ts';
import { callbackRoutes } from './routes/callbacks.ts';
import { contentRoutes } from './routes/content.ts';
import { eventRoute } from './routes/events.ts';
import { healthRoutes } from './routes/health.ts';
import { keyRoutes } from './routes/keys.ts';
import { linkRoutes } from './routes/links.ts';
import { modelRoutes } from './routes/models.ts';
import { queryRoute } from './routes/query.ts';
import { submitRoute } from './routes/submit.ts';
import { taskRoutes } from './routes/tasks.ts';
import { answerUnrouted, createParserErrorHandler } from './wireErrors.ts';

/**
 * How long a connection may be idle. Above the sixty seconds of common load balancers: the side that gives up first must be
 * the one that sends the requests, or one of them meets a closed door.
 */
const KEEP_ALIVE_MS = 75_000;
/** For a whole request with its body: the largest that is allowed takes nine minutes at a megabit a second. */
const REQUEST_MS = 600_000;

/** The whole HTTP surface, ready to listen. */
export async function createServer(context: ApiContext): Promise<App> {
  const { draining, keyring, log, settings } = context;
  const app: App = fastify({
    loggerInstance: log as FastifyBaseLogger,
    // Requests are told by the hook below, in one line each.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request' }),
    childLoggerFactory: createRequestLog,
    // Routes that take images say so.
    bodyLimit: PLAIN_BYTES,
    requestTimeout: REQUEST_MS,
    genReqId: (request) => {
      const given = request.headers['x-request-id'];
      return typeof given === 'string' && /^[\w.:-]{1,64}$/.test(given) ? given : randomUUID();
    },
    keepAliveTimeout: KEEP_ALIVE_MS,
    // What Node would answer in words of its own is left to the hooks below: no Host, and upgrades, which are never taken.
    http: { requireHostHeader: false, shouldUpgradeCallback: () => false },
    clientErrorHandler: createParserErrorHandler(log),
    // The framework's own words for requests after the last; by then `closePolitely` has ended every connection.
    return503OnClosing: false,
    // People and clients write `//v1/models/`; a redirect would turn their POST into a GET.
    routerOptions: { maxParamLength: 200, ignoreTrailingSlash: true, ignoreDuplicateSlashes: true },
    // Paths that the router itself refuses.
    frameworkErrors: (error, request, reply) => {
      reply.header('x-request-id', request.id);
      // No hook runs for these.
      if (draining.begun) reply.header('connection', 'close');
      answerError(error, request, reply);
    },
  }).withTypeProvider<ZodTypeProvider>();

  app.setValidatorCompiler(validatorCompiler);
  // Answers are built by hand to fit their schemas, which the contract tests check; serialising needs no second pass.
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.setErrorHandler((error, request, reply) => {
    // The framework closes the connection for every body that is refused: a client that is still sending could not read why.
    reply.removeHeader('connection');
    return answerError(error, request, reply);
  });
  app.setNotFoundHandler((request, reply) => {
    // Of the server as a whole (RFC 9110, section 9.3.7).
    if (request.method === 'OPTIONS' && request.url === '*') return reply.code(204).send();
    const message = `There is no ${request.method} ${pathOf(request.url)}; see /docs.`;
    return answerError(new OnetakeError('not_found', 404, message), request, reply);
  });
  answerUnrouted(app.server, log);
  const otherMethods = answerOtherMethods(app);
  useStrictJson(app, { largestBody: settings.bodyLimit, idleMs: settings.bodyIdleMs });
  app.decorateRequest('apiKey', undefined);

  // Callbacks instead of promises: the hot path passes through both hooks.
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    if (request.raw.httpVersionMinor > 0 && request.headers.host === undefined) return done(noHost());
    if (isEncoded(request.headers)) return done(encoded(reply));
    // No id, name or value has one, and PostgreSQL takes none.
    if (request.url.includes('%00')) return done(invalidRequest('The address holds a NUL character (%00).'));
    // Before a browser sends a key it asks for the methods without one.
    if (request.method === 'OPTIONS') return done();
    // Also by its route: a path written as `/%761/` is `/v1/` to the router. The path first, which is cheaper to ask.
    if (!isOfTheApi(request.url) && !isOfTheApi(request.routeOptions.url ?? '')) return done();
    request.apiKey = keyring.known(request.headers.authorization);
    if (request.apiKey) return done();
    keyring.authenticate(request.headers.authorization).then((key) => {
      request.apiKey = key;
      done();
    }, done);
  });
  // When the answer leaves, not when the request comes: a query may have been held since before the stop. RFC 9112, 9.6: after
  // this option neither side uses the connection again, so no request can be lost on it.
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (draining.begun) reply.header('connection', 'close');
    done(null, payload);
  });
  app.addHook('onResponse', (request, reply, done) => {
    done();
    // Reads are polled by the thousand: told only to those who ask for detail.
    const level = reply.statusCode >= 400 || request.method !== 'GET' ? 'info' : 'debug';
    if (!log.isLevelEnabled(level)) return;
    logOf(request)[level](
      {
        event: 'request.completed',
        method: request.method,
        path: pathOf(request.url),
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
        key: request.apiKey?.id,
      },
      'request',
    );
  });

  await useOpenApi(app, settings);
  submitRoute(app, context);
  queryRoute(app, context);
  contentRoutes(app, context);
  taskRoutes(app, context);
  eventRoute(app, context);
  modelRoutes(app, context);
  linkRoutes(app, context);
  keyRoutes(app, context);
  callbackRoutes(app, context);
  healthRoutes(app, context);
  await app.after();
  otherMethods();
  return app;
}

const noHost = (): OnetakeError => invalidRequest('An HTTP/1.1 request needs the header "Host".');

/** Whether there is a body in a content coding (RFC 9110, section 8.4). */
function isEncoded(headers: IncomingHttpHeaders): boolean {
  const coding = headers['content-encoding'];
  if (coding === undefined || coding.trim().toLowerCase() === 'identity') return false;
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length']) > 0;
}

/** 415, with what may be sent instead (RFC 9110, section 15.5.16). */
function encoded(reply: FastifyReply): OnetakeError {
  reply.header('accept-encoding', 'identity');
  const message = 'Bodies are taken uncompressed only; send it without Content-Encoding.';
  return new OnetakeError('unsupported_media_type', 415, message);
}

const isOfTheApi = (path: string): boolean => path.startsWith('/v1/');

/** Query strings hold signatures and callers' words: only the path is told. */
const pathOf = (url: string): string => url.split('?', 1)[0] ?? url;
