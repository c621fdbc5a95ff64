import { createServer } from 'node:https';
import { request } from 'undici';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FetchError } from '../../src/net/fetchError.ts';
import { createGuardedFetch } from '../../src/net/guardedFetch.ts';
import { createConnections, createProxyFor } from '../../src/net/proxies.ts';
import { serve } from '../support/servers/httpServer.ts';
import { startProxy } from '../support/servers/proxyServer.ts';

const via = (httpProxy: string, noProxy: readonly string[] = []) => ({
  httpProxy,
  httpsProxy: httpProxy,
  noProxy,
});

describe('the URLs that use a proxy', () => {
  it.each<[string, string, boolean]>([
    ['', 'https://api.openai.com/', true],
    ['*', 'https://api.openai.com/', false],
    ['openai.com', 'https://api.openai.com/', false],
    ['.openai.com', 'https://openai.com/', false],
    ['*.openai.com', 'https://api.openai.com/', false],
    ['openai.com', 'https://notopenai.com/', true],
    ['OpenAI.com.', 'https://API.openai.com./', false],
    ['openai.com:8443', 'https://openai.com/', true],
    ['openai.com:8443', 'https://openai.com:8443/', false],
    ['openai.com:443', 'https://openai.com/', false],
    ['127.0.0.1', 'http://127.0.0.1:9000/', false],
    ['127.0.0.1:9001', 'http://127.0.0.1:9000/', true],
    ['10.0.0.0/8', 'http://10.1.2.3/', false],
    ['10.0.0.0/8', 'http://11.1.2.3/', true],
    ['::1', 'http://[::1]:9000/', false],
    ['[::1]:9000', 'http://[::1]:9000/', false],
    ['fd00::/8', 'http://[fd12::1]/', false],
    ['0.0.1', 'http://127.0.0.1/', true],
  ])('NO_PROXY=%s, %s: %s', (noProxy, url, proxied) => {
    const proxyFor = createProxyFor(via('http://proxy:3128', noProxy ? [noProxy] : []));
    expect(proxyFor(new URL(url))).toBe(proxied ? 'http://proxy:3128' : undefined);
  });

  it('have a proxy for each scheme', () => {
    const proxyFor = createProxyFor({ httpsProxy: 'http://secure:1', noProxy: [] });
    expect(proxyFor(new URL('https://a.example'))).toBe('http://secure:1');
    expect(proxyFor(new URL('http://a.example'))).toBeUndefined();
  });
});

it('connections go through the proxy with its credentials, and past it if so configured', async () => {
  const proxy = await startProxy('user:pass');
  const { origin } = await serve((_request, response) => response.end('here'));
  const get = async (noProxy: readonly string[]) => {
    const { dispatcher, destroy } = createConnections(via(proxy.url, noProxy), {
      connect: { timeout: 5000 },
    });
    onTestFinished(destroy);
    const { body } = await request(`${origin}/x`, { dispatcher });
    return body.text();
  };
  expect(await get(['127.0.0.0/8'])).toBe('here');
  expect(proxy.asked).toEqual([]);
  expect(await get([])).toBe('here');
  expect(proxy.asked).toEqual([`GET ${origin}/x`]);
});

describe('callers’ URLs behind a proxy', () => {
  const lookup = (answers: Record<string, string>) => {
    const asked: string[] = [];
    return {
      asked,
      lookup: (
        hostname: string,
        _options: object,
        callback: (error: null, found: { address: string; family: number }[]) => void,
      ) => {
        asked.push(hostname);
        callback(null, [{ address: answers[hostname] ?? '127.0.0.1', family: 4 }]);
      },
    };
  };

  it('are resolved here, and the proxy gets the address that was checked', async () => {
    const proxy = await startProxy();
    const hosts: (string | undefined)[] = [];
    const { origin } = await serve((request, response) => {
      hosts.push(request.headers.host);
      response.end('picture');
    });
    const { port } = new URL(origin);
    const names = lookup({ 'pictures.example': '127.0.0.1' });
    const fetch = createGuardedFetch({
      allowHosts: ['127.0.0.1'],
      proxies: via(proxy.url),
      lookup: names.lookup,
    });
    const answer = await fetch(`http://pictures.example:${port}/a.png`, { maxBytes: 100 });
    expect(answer.body.toString()).toBe('picture');
    expect(proxy.asked).toEqual([`GET http://127.0.0.1:${port}/a.png`]);
    expect(hosts).toEqual([`pictures.example:${port}`]);
  });

  it.each([
    ['a private address', 'http://10.0.0.1/'],
    ['a name of one', 'http://inside.example/'],
    ['the metadata service', 'http://169.254.169.254/'],
  ])('%s is refused before the proxy hears of it', async (_what, url) => {
    const proxy = await startProxy();
    const fetch = createGuardedFetch({
      proxies: via(proxy.url),
      lookup: lookup({ 'inside.example': '192.168.0.7' }).lookup,
    });
    await expect(fetch(url, { maxBytes: 100 })).rejects.toMatchObject({ problem: 'not_public' });
    expect(proxy.asked).toEqual([]);
  });

  it('a redirect through the proxy to a private address is also refused', async () => {
    const proxy = await startProxy();
    const { origin } = await serve((_request, response) =>
      response.writeHead(302, { location: 'http://10.0.0.1/' }).end(),
    );
    const fetch = createGuardedFetch({ allowHosts: ['127.0.0.1'], proxies: via(proxy.url) });
    await expect(fetch(origin, { maxBytes: 100 })).rejects.toMatchObject({ problem: 'not_public' });
    expect(proxy.asked).toHaveLength(1);
  });

  it('names go unresolved to a proxy that the operator trusts with them, addresses do not', async () => {
    const proxy = await startProxy();
    const names = lookup({});
    const fetch = createGuardedFetch({ proxies: via(proxy.url), proxyResolves: true, lookup: names.lookup });
    const { origin } = await serve((_request, response) => response.end('picture'));
    const { port } = new URL(origin);
    expect((await fetch(`http://localhost:${port}/a.png`, { maxBytes: 100 })).body.toString()).toBe(
      'picture',
    );
    expect([proxy.asked, names.asked]).toEqual([[`GET http://localhost:${port}/a.png`], []]);
    await expect(fetch('http://10.0.0.1/', { maxBytes: 100 })).rejects.toBeInstanceOf(FetchError);
  });

  it('https uses a tunnel to the address, and the certificate is checked for the name', async () => {
    const proxy = await startProxy();
    const server = createServer((_request, response) => response.end());
    server.listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const names: unknown[] = [];
    server.on('tlsClientError', () => undefined);
    server.on('connection', () => names.push('connected'));
    const { port } = server.address() as { port: number };
    const fetch = createGuardedFetch({
      allowHosts: ['127.0.0.1'],
      proxies: via(proxy.url),
      lookup: lookup({}).lookup,
    });
    // It has no certificate at all: only the request to the proxy matters here.
    await expect(fetch(`https://pictures.example:${port}/`, { maxBytes: 100 })).rejects.toMatchObject({
      problem: 'unreachable',
    });
    expect(proxy.asked).toEqual([`CONNECT 127.0.0.1:${port}`]);
    expect(names).toEqual(['connected']);
  });
});
