import type { FastifyRequest } from 'fastify';
import { hasScope } from '../auth/keyring.ts';
import type { KeyWithProject, Scope } from '../store/projects.ts';
import { OnetakeError } from '../tasks/errors.ts';
import type { App } from './context.ts';

/** What a key must have to use a route. `any`: nothing, it need only be valid. `public`: no key is needed. */
export type RouteScope = Scope | 'any' | 'public';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A route without it is not registered. */
    scope?: RouteScope;
  }
}

/** What needs a key, which is checked before the body is read. */
export const isOfTheApi = (path: string): boolean => path.startsWith('/v1/') || /^\/mcp(?:[/?]|$)/.test(path);

/**
 * Refuses to register a route that does not say who may use it, or that says so of a path where nobody would ask for a key. Call this before
 * the first route is registered.
 */
export function requireDeclaredScopes(app: App): void {
  app.addHook('onRoute', ({ url, method, config }) => {
    const scope = config?.scope;
    const name = `${[method].flat().slice(0, 3).join(', ')} ${url}`;
    if (scope === undefined) throw new Error(`${name} does not declare the scope that it needs`);
    // Whatever the path, a request with another method than a path has is refused, and answered on OPTIONS.
    if (scope !== 'any' && (scope === 'public') === isOfTheApi(url))
      throw new Error(`${name} declares "${scope}", which its path contradicts`);
  });
}

/** The 403 for a key without the scope that a route needs. */
export function missingScope(
  key: KeyWithProject,
  { routeOptions: { config } }: FastifyRequest,
): OnetakeError | undefined {
  // Nothing is routed there.
  const scope = config?.scope;
  if (scope === undefined || scope === 'any' || scope === 'public' || hasScope(key, scope)) return undefined;
  const has = key.scopes.join(', ') || 'none';
  const wanted = scope === 'read' ? '"read" or "generate", which includes it' : `"${scope}"`;
  const message = `This API key lacks the scope "${scope}" (it has: ${has}); use a key that has ${wanted}.`;
  return new OnetakeError('forbidden', 403, message);
}
