import reference from '@scalar/fastify-api-reference';
import fastify, { type FastifyInstance } from 'fastify';

/** A server without a port, for the reference page at `/docs/`. */
export async function openReference(): Promise<FastifyInstance> {
  const app = fastify({ routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true } });
  await app.register(reference, {
    routePrefix: '/docs',
    // The page must work without internet access, and its default fonts come from another host.
    configuration: {
      url: '/openapi.json',
      title: 'Onetake API',
      withDefaultFonts: false,
      // Services of the page's vendor, which would receive this gateway's address and the user's input.
      showDeveloperTools: 'never',
      agent: { disabled: true },
      mcp: { disabled: true },
      hideClientButton: true,
      telemetry: false,
    },
  });
  return app;
}
