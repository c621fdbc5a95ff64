import { expect, it, onTestFinished } from 'vitest';
import manifest from '../../../package.json' with { type: 'json' };
import { startTestGateway } from '../../support/gateway.ts';

it('the address alone answers a program with JSON, and a browser with a page', async () => {
  const t = await startTestGateway();
  onTestFinished(() => t.end());
  const get = (accept: string) => fetch(`${t.gateway.address}/`, { headers: { accept } });
  for (const accept of ['*/*', 'application/json']) {
    const answer = await get(accept);
    expect(answer.headers.get('vary')).toBe('accept');
    expect(await answer.json()).toEqual({
      name: 'onetake',
      version: manifest.version,
      docs: '/docs',
      openapi: '/openapi.json',
      mcp: '/mcp',
    });
  }
  const page = await get('text/html,application/xhtml+xml,*/*;q=0.8');
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
  const links = [...(await page.text()).matchAll(/href="([^"]+)"/g)].map(([, href]) => String(href));
  expect(links).toEqual(['/docs', '/openapi.json']);
  for (const link of links) expect((await fetch(t.gateway.address + link)).status, link).toBe(200);
});
