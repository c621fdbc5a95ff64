import { z } from 'zod';
import type { ApiContext, App } from '../context.ts';
import { NO_PARAMETERS } from '../filters.ts';
import { prefers, varyByAccept } from '../http/accept.ts';

const Home = z.object({
  name: z.literal('onetake'),
  version: z.string(),
  docs: z.string().describe('The reference page'),
  openapi: z.string().describe('The OpenAPI document'),
  mcp: z.string().describe('Tools for agents, over the Model Context Protocol'),
});

/** `GET /`: what answers here, for people as a page and for programs as JSON. It needs no key. */
export function homeRoute(app: App, { settings: { version } }: ApiContext): void {
  const home: z.output<typeof Home> = {
    name: 'onetake',
    version,
    docs: '/docs',
    openapi: '/openapi.json',
    mcp: '/mcp',
  };
  const page = pageOf(home);
  app.get(
    '/',
    {
      config: { scope: 'public' },
      schema: {
        operationId: 'home',
        summary: 'What answers here',
        description: 'JSON; with `Accept: text/html`, as browsers send it, a page.',
        tags: ['Operations'],
        querystring: NO_PARAMETERS,
        response: { 200: Home },
      },
    },
    async ({ headers: { accept } }, reply) => {
      varyByAccept(reply);
      if (!prefers(accept, 'text/html', 'application/json')) return home;
      reply.headers({
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
      });
      return reply.send(page as never);
    },
  );
}

const pageOf = ({ version, docs, openapi, mcp }: z.output<typeof Home>): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Onetake</title>
<style>
  :root { color-scheme: light dark; }
  body { font: 1rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 15vh auto; padding: 0 1.5rem; }
  h1 { font-size: 1.5rem; } pre { overflow-x: auto; padding: 1rem; border: 1px solid #8886; border-radius: .5rem; }
</style>
<h1>Onetake ${version}</h1>
<p>This is a gateway for AI-video models: submit a task, ask for it, download the video.</p>
<pre>curl "$ONETAKE_URL/v1/video/generations?wait=60" \\
  -H "Authorization: Bearer $ONETAKE_API_KEY" -H "Content-Type: application/json" \\
  -d '{"model": "onetake-preview", "prompt": "a paper boat on a rainy street"}'</pre>
<ul>
  <li><a href="${docs}">Reference</a>, which tries calls</li>
  <li><a href="${openapi}">OpenAPI document</a></li>
  <li><code>${mcp}</code>: tools for agents (Model Context Protocol)</li>
</ul>
</html>
`;
