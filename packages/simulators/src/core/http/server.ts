import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import fastify, { type FastifyError, type FastifyInstance, type FastifyRequest } from 'fastify';
import { pino } from 'pino';
import { give, hookFaults } from '../faults/hooks.ts';
import { type Answer, Refusal } from './answer.ts';

/** Logs go to standard error, because standard output is for the lines that point a client at the simulators. */
const log = pino({ name: 'simulators', level: 'warn' }, pino.destination({ dest: 2, sync: true }));

/** The largest limit of all upstreams is Ark's 64 MB (upstreams' documentation), because images are inside the JSON. */
const BODY_LIMIT = 64 * 1024 * 1024;
/** Ark lists 500 tasks on a page. Their ids in the URL take 21 kB, which is more than Node's default. */
const LONGEST_HEAD = 64 * 1024;
const HOST = '127.0.0.1';

/** A private key and its certificate, in PEM. */
export interface Tls {
  readonly key: string;
  readonly cert: string;
}

type Options = Parameters<typeof hookFaults>[1] & {
  /** With it the server speaks HTTPS. */
  readonly tls: Tls | undefined;
  readonly answers: {
    notFound(request: FastifyRequest): Answer;
    unreadable(error: FastifyError): Answer;
  };
};

/** A server on 127.0.0.1 that can refuse connections and accept them again on the same port. */
export interface Server {
  readonly app: FastifyInstance;
  origin(): string;
  listen(port: number): Promise<void>;
  /** Stops listening and resets all connections, so that a client sees "connection refused". */
  refuse(): Promise<void>;
  accept(): Promise<void>;
  close(): Promise<void>;
}

export function createServer(options: Options): Server {
  const { tls } = options;
  const app: FastifyInstance = fastify({
    bodyLimit: BODY_LIMIT,
    ...(tls ? { https: { ...tls, maxHeaderSize: LONGEST_HEAD } } : { http: { maxHeaderSize: LONGEST_HEAD } }),
    forceCloseConnections: true,
    routerOptions: { maxParamLength: LONGEST_HEAD },
  });
  hookFaults(app, options);
  acceptEmptyJson(app);
  app.setNotFoundHandler((request, reply) => give(reply, options.answers.notFound(request)));
  app.setErrorHandler<FastifyError>((error, _request, reply) => {
    if (error instanceof Refusal) return give(reply, error.answer);
    if (error.statusCode !== undefined && error.statusCode < 500) {
      return give(reply, options.answers.unreadable(error));
    }
    log.error({ err: error, upstream: options.upstream }, 'a simulator failed');
    return give(reply, options.answers.unavailable(500));
  });
  let port = 0;
  return {
    app,
    origin: () => `${tls ? 'https' : 'http'}://${HOST}:${port}`,
    async listen(wanted) {
      await app.listen({ host: HOST, port: wanted });
      port = (app.server.address() as AddressInfo).port;
    },
    async refuse() {
      if (!app.server.listening) return;
      const closed = once(app.server, 'close');
      app.server.close();
      app.server.closeAllConnections();
      await closed;
    },
    async accept() {
      if (app.server.listening) return;
      const listening = once(app.server, 'listening');
      app.server.listen(port, HOST);
      await listening;
    },
    close: () => app.close(),
  };
}

/** Many SDKs, and the examples in Ark's documentation, send `Content-Type: application/json` on every call, also without a body. */
function acceptEmptyJson(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'ignore');
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined);
    else parseJson(request, body, done);
  });
}
