import type { IncomingHttpHeaders } from 'node:http';
import fastify, { type FastifyBaseLogger, type FastifyReply, LogController } from 'fastify';
import { validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { type RateState, type RequestRates, TooManyRequests } from '../auth/requestRates.ts';
import {
  createRequestLog,
  levelOf,
  logCompleted,
  logOf,
  pathOf,
  requestIdOf,
} from '../observability/requestLog.ts';
import type { KeyWithProject } from '../store/projects.ts';
import { invalidRequest, OnetakeError } from '../tasks/errors.ts';
import { PLAIN_BYTES, useStrictJson } from './body/json.ts';
import type { ApiContext, App } from './context.ts';
import { answerError } from './errors.ts';
import { unknownParameters } from './filters.ts';
import { allowOrigin, allowOrigins } from './http/cors.ts';
import { answerOtherMethods } from './http/methods.ts';
import { createRequestCounts, type RequestCounts } from './http/requestCounts.ts';
import { openAiFileRoutes } from './openaiFiles/routes.ts';
import { openAiVideoRoutes } from './openaiVideos/routes.ts';
import { useOpenApi } from './openapi/document.ts';
import { callbackRoutes } from './routes/callbacks.ts';
import { contentRoutes } from './routes/content.ts';
import { eventsRoute } from './routes/events.ts';
import { healthRoutes } from './routes/health.ts';
import { homeRoute } from './routes/home.ts';
import { keyRoutes } from './routes/keys.ts';
import { linkRoutes } from './routes/links.ts';
import { mcpRoute } from './routes/mcp.ts';
import { modelRoutes } from './routes/models.ts';
import { projectRoutes } from './routes/projects.ts';
import { queryRoute } from './routes/query.ts';
import { answerAheadOfRouter, createQuickQuery } from './routes/quickQuery.ts';
import { quoteRoute } from './routes/quote.ts';
import { submitRoute } from './routes/submit.ts';
import { taskEventsRoute } from './routes/taskEvents.ts';
import { taskRoutes } from './routes/tasks.ts';
import { webhookDeliveryRoutes } from './routes/webhookDeliveries.ts';
import { webhookEndpointRoutes } from './routes/webhookEndpoints.ts';
import { isOfTheApi, missingScope, requireDeclaredScopes } from './scopes.ts';
import { createSubmission } from './submission.ts';
import { answerUnrouted, createParserErrorHandler } from './wireErrors.ts';

/**
 * How long a connection may be idle. Longer than the sixty seconds of common load balancers: if the server closed first, a
 * request already on its way would be lost.
 */
const KEEP_ALIVE_MS = 75_000;
/** Timeout of a whole request with its body. The largest body allowed takes nine minutes at 1 Mbit/s. */
const REQUEST_MS = 600_000;

/** The complete HTTP API, ready to listen. */
export async function createServer(context: ApiContext): Promise<App> {
  const { log, metrics, settings } = context;
  const counts = createRequestCounts(metrics);
  const app = createApp(context, counts);
  app.setValidatorCompiler(validatorCompiler);
  // Handlers build answers that fit their schemas, which the contract tests check; no second pass is needed.
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.setErrorHandler((error, request, reply) => {
    // Fastify closes the connection whenever it refuses a body; a client that is still sending could not read the reason.
    reply.removeHeader('connection');
    return answerError(error, request, reply);
  });
  app.setNotFoundHandler((request, reply) => {
    // OPTIONS for the server as a whole (RFC 9110, section 9.3.7).
    if (request.method === 'OPTIONS' && request.url === '*') return reply.code(204).send();
    const path = pathOf(request.url);
    const advice = /^\/(?:videos?|files|models|events)(?:\/|$)/.test(path)
      ? `the base URL of a client ends with /v1: /v1${path}`
      : 'see /docs';
    const message = `There is no ${request.method} ${path}; ${advice}.`;
    return answerError(new OnetakeError('not_found', 404, message), request, reply);
  });
  answerUnrouted(app.server, log, counts.unrouted);
  counts.watch(app);
  await allowOrigins(app, settings.corsOrigins);
  requireDeclaredScopes(app);
  const otherMethods = answerOtherMethods(app);
  const receive = useStrictJson(app, { largestBody: settings.bodyLimit, idleMs: settings.bodyIdleMs });
  app.decorateRequest('apiKey', undefined);
  app.decorateRequest('isLogged', false);
  app.decorateRequest('refusal', undefined);
  addHooks(app, context);

  await useOpenApi(app, context);
  const submit = createSubmission(context);
  submitRoute(app, context, submit);
  quoteRoute(app, context);
  queryRoute(app, context);
  contentRoutes(app, context);
  taskRoutes(app, context);
  taskEventsRoute(app, context);
  openAiVideoRoutes(app, context, { submit, receive });
  openAiFileRoutes(app, context);
  eventsRoute(app, context);
  webhookEndpointRoutes(app, context);
  webhookDeliveryRoutes(app, context);
  modelRoutes(app, context);
  linkRoutes(app, context);
  keyRoutes(app, context);
  projectRoutes(app, context);
  callbackRoutes(app, context);
  mcpRoute(app, context);
  healthRoutes(app, context);
  homeRoute(app, context);
  await app.after();
  otherMethods();
  answerAheadOfRouter(app.server, createQuickQuery(context, counts));
  return app;
}

const createApp = ({ draining, logger, settings }: ApiContext, { unrouted }: RequestCounts): App =>
  fastify({
    loggerInstance: withoutInfo(logger),
    // The `onResponse` hook logs each request in a single line.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request' }),
    childLoggerFactory: (_fastify, bindings) => createRequestLog(logger, bindings),
    // Routes that accept images set a larger limit.
    bodyLimit: PLAIN_BYTES,
    requestTimeout: REQUEST_MS,
    genReqId: requestIdOf,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // Node would answer a missing Host header and upgrades without our error object, so the hooks answer them. Upgrades are never
    // accepted.
    http: { requireHostHeader: false, shouldUpgradeCallback: () => false },
    clientErrorHandler: createParserErrorHandler(logger, unrouted),
    // Fastify would refuse requests during `close` without our error object; `shutDown` has ended every connection by then.
    return503OnClosing: false,
    // Clients write `//v1/models/`, and a redirect would turn a POST into a GET.
    routerOptions: { maxParamLength: 200, ignoreTrailingSlash: true, ignoreDuplicateSlashes: true },
    // Paths that the router itself refuses. No hook runs for these.
    frameworkErrors: (error, request, reply) => {
      reply.header('x-request-id', request.id);
      if (draining.begun) reply.header('connection', 'close');
      allowOrigin(request, reply, settings.corsOrigins);
      answerError(error, request, reply);
      unrouted(reply.statusCode);
      logCompleted(logOf(request), 'info', request, reply, undefined, request.refusal);
    },
  }).withTypeProvider<ZodTypeProvider>();

/** The log for Fastify itself, whose `info` lines have no event: the address that it listens on, which `gateway.listening` has. */
const withoutInfo = (log: FastifyBaseLogger): FastifyBaseLogger =>
  Object.create(log, { info: { value: () => undefined } });

/** Authentication, the headers that every answer has, and the request log. Callbacks instead of promises: this is the hot path. */
function addHooks(app: App, { draining, keyring, rates, logger }: ApiContext): void {
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    if (request.raw.httpVersionMinor > 0 && request.headers.host === undefined) return done(noHost());
    if (isEncoded(request.headers)) return done(encoded(reply));
    // No id, name or value contains NUL, and PostgreSQL cannot store it.
    if (request.url.includes('%00')) return done(invalidRequest('The address holds a NUL character (%00).'));
    // A browser's preflight request has no key.
    if (request.method === 'OPTIONS') return done();
    // The router decodes `/%761/` to `/v1/`, so its route counts as well. The raw path is checked first because it is cheaper.
    if (!isOfTheApi(request.url) && !isOfTheApi(request.routeOptions.url ?? '')) return done();
    const admit = (key: KeyWithProject) => {
      request.apiKey = key;
      // Counted first: whoever keeps asking for what the key may not have is limited as well.
      countRequest(rates, key, reply, (error) => done(error ?? missingScope(key, request)));
    };
    const known = keyring.known(request.headers.authorization, request.socket);
    if (known) admit(known);
    else keyring.authenticate(request.headers.authorization).then(admit, done);
  });
  app.addHook('onRequest', (request, _reply, done) => {
    done(request.url.includes('?') ? unknownParameters(request) : undefined);
  });
  // Decided when the answer is sent, because a query may have been held since before the stop. Neither side uses the connection
  // after this option (RFC 9112, section 9.6), so no request can be lost on it.
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (draining.begun) reply.header('connection', 'close');
    done(null, payload);
  });
  app.addHook('onResponse', (request, reply, done) => {
    done();
    const level = levelOf(request.method, reply.statusCode);
    if (!logger.isLevelEnabled(level) || (request.isLogged && reply.statusCode === 200)) return;
    logCompleted(logOf(request), level, request, reply, request.apiKey?.id, request.refusal);
  });
}

/**
 * Counts a request of a key with limits, and tells them with its answer (draft-ietf-httpapi-ratelimit-headers). Calls `done` with the 429 if
 * one is reached. Keys without limits pay nothing.
 */
function countRequest(
  rates: RequestRates,
  key: KeyWithProject,
  reply: FastifyReply,
  done: (error?: Error) => void,
): void {
  const taking = rates.take(key);
  if (!taking) {
    done();
    return;
  }
  taking.then(
    (states) => {
      tell(reply, states);
      done();
    },
    (error: Error) => {
      if (error instanceof TooManyRequests) tell(reply, [error.state]);
      done(error);
    },
  );
}

function tell(reply: FastifyReply, states: readonly RateState[]): void {
  reply.header('ratelimit-policy', states.map(({ name, limit }) => `"${name}";q=${limit};w=60`).join(', '));
  reply.header(
    'ratelimit',
    states.map(({ name, remaining, resetSeconds: t }) => `"${name}";r=${remaining};t=${t}`).join(', '),
  );
}

const noHost = (): OnetakeError => invalidRequest('An HTTP/1.1 request needs the header "Host".');

/** Whether the request has a body with a content coding (RFC 9110, section 8.4). */
function isEncoded(headers: IncomingHttpHeaders): boolean {
  const coding = headers['content-encoding'];
  if (coding === undefined || coding.trim().toLowerCase() === 'identity') return false;
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length']) > 0;
}

/** A 415 whose `Accept-Encoding` names the accepted coding (RFC 9110, section 15.5.16). */
function encoded(reply: FastifyReply): OnetakeError {
  reply.header('accept-encoding', 'identity');
  const message = 'Only uncompressed bodies are accepted; send it without Content-Encoding.';
  return new OnetakeError('unsupported_media_type', 415, message);
}
