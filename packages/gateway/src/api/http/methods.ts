import { METHODS } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { OnetakeError } from '../../tasks/errors.ts';
import type { App } from '../context.ts';

/** CONNECT never reaches a route; `wireErrors.ts` answers it. */
const ROUTED = METHODS.filter((method) => method !== 'CONNECT');

/**
 * Makes every path answer OPTIONS with a 204 and methods that it does not support with a 405, both with `Allow` (RFC 9110,
 * sections 9.3.7 and 15.5.6). Call this before the first route is registered and the returned function after the last: routes
 * are collected as they are registered, so none can be forgotten.
 */
export function answerOtherMethods(app: App): () => void {
  const methodsOf = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const methods = methodsOf.get(url) ?? new Set<string>();
    methodsOf.set(url, methods);
    for (const one of [method].flat()) methods.add(one);
  });
  for (const method of ROUTED) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method);

  return () => {
    for (const [url, methods] of [...methodsOf]) {
      const allow = [...methods, 'OPTIONS'].sort().join(', ');
      if (!methods.has('OPTIONS')) {
        app.options(url, { config: { scope: 'any' }, schema: { hide: true } }, async (_request, reply) =>
          reply.code(204).header('allow', allow).send(),
        );
      }
      app.route({
        method: ROUTED.filter((method) => method !== 'OPTIONS' && !methods.has(method)),
        url,
        config: { scope: 'any', isFallback: true },
        schema: { hide: true },
        // Before the body is read, because nothing in it could make the method valid.
        onRequest: (request, reply, done) => done(notAllowed(request, reply, allow)),
        handler: (request, reply) => Promise.reject(notAllowed(request, reply, allow)),
      });
    }
  };
}

function notAllowed(request: FastifyRequest, reply: FastifyReply, allow: string): OnetakeError {
  reply.header('allow', allow);
  const message = `${request.routeOptions.url} does not support ${request.method}; use one of ${allow}.`;
  return new OnetakeError('method_not_allowed', 405, message);
}
