import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { FetchError, type FetchProblem } from '../../src/net/fetchError.ts';
import type { Lookup } from '../../src/net/guardedConnect.ts';
import { createGuardedFetch, createUrlCheck } from '../../src/net/guardedFetch.ts';
import { serve } from '../support/servers/httpServer.ts';

/** Stands for the public internet: nothing else is allowed, 127.0.0.2 for example is not. */
const OUTSIDE = '127.0.0.1';
const INSIDE = '127.0.0.2';
const allowHosts = [OUTSIDE];
const maxBytes = 1000;

/** Resolves every name to each of `answers` in turn; the last one repeats. */
function resolvesTo(...answers: string[][]): Lookup & { readonly asked: string[] } {
  const asked: string[] = [];
  const lookup: Lookup = (hostname, _options, callback) => {
    const addresses = answers[Math.min(asked.length, answers.length - 1)] ?? [];
    asked.push(hostname);
    const found = addresses.map((address) => ({ address, family: 4 }));
    setImmediate(() => callback(null, found));
  };
  return Object.assign(lookup, { asked });
}

/** The reason for which a fetch is refused. */
async function problemOf(fetching: Promise<unknown>): Promise<FetchProblem> {
  const error = await fetching.then(
    (answer) => {
      throw new Error(`not refused: ${JSON.stringify(answer)}`);
    },
    (error: unknown) => error,
  );
  if (!(error instanceof FetchError)) throw error;
  expect(error.message).toMatch(/^the URL /);
  expect(error.message).not.toMatch(/\d+\.\d+\.\d+\.\d+|::/);
  return error.problem;
}

describe('a public URL', () => {
  it('is fetched', async () => {
    const server = await serve((_request, response) =>
      response.setHeader('content-type', 'image/png').end('bytes'),
    );
    const lookup = resolvesTo([OUTSIDE]);
    const guardedFetch = createGuardedFetch({ allowHosts, lookup });
    const answer = await guardedFetch(`http://images.example:${server.port}/a?b`, { maxBytes });
    expect(answer).toMatchObject({ status: 200, url: `http://images.example:${server.port}/a?b` });
    expect(answer.body.toString()).toBe('bytes');
    expect(answer.headers['content-type']).toBe('image/png');
    expect(server.requests[0]?.headers).toMatchObject({
      host: `images.example:${server.port}`,
      'accept-encoding': 'identity',
      connection: 'close',
    });
    expect(lookup.asked).toEqual(['images.example']);
  });

  it('returns the status without a body if that is not a success', async () => {
    const server = await serve((_request, response) => {
      response.statusCode = 404;
      response.end('x'.repeat(maxBytes + 1));
    });
    const answer = await createGuardedFetch({ allowHosts })(server.origin, { maxBytes });
    expect(answer).toMatchObject({ status: 404, body: Buffer.alloc(0) });
  });

  it('returns the first of any answer if that was asked for, as far as it comes', async () => {
    const server = await serve((request, response) => {
      response.writeHead(request.url === '/whole' ? 500 : 200, { 'content-encoding': 'gzip' });
      if (request.url === '/whole') response.end('x'.repeat(maxBytes + 1));
      else response.write('part', () => request.url === '/open' || response.destroy());
    });
    const asked = { maxBytes, anyAnswer: true } as const;
    const guardedFetch = createGuardedFetch({ allowHosts });
    const whole = await guardedFetch(`${server.origin}/whole`, asked);
    expect([whole.status, whole.body.toString()]).toEqual([500, 'x'.repeat(maxBytes)]);
    for (const end of ['part', 'open']) {
      const part = await guardedFetch(`${server.origin}/${end}`, asked);
      expect([part.status, part.body.toString()]).toEqual([200, 'part']);
    }
  });

  it('may be posted to, without following redirects', async () => {
    const bodies: string[] = [];
    const server = await serve(async (request, response) => {
      bodies.push((await request.setEncoding('utf8').toArray()).join(''));
      response.writeHead(307, { location: '/elsewhere' }).end();
    });
    const guardedFetch = createGuardedFetch({ allowHosts });
    const answer = await guardedFetch(server.origin, { method: 'POST', body: '{}', maxBytes });
    expect(answer.status).toBe(307);
    expect(bodies).toEqual(['{}']);
  });
});

describe('a private URL is refused before a byte is sent', () => {
  it.each([
    'http://127.0.0.2:PORT/',
    'http://2130706434:PORT/',
    'http://0x7f000002:PORT/',
    'http://0177.0.0.2:PORT/',
    'http://127.2:PORT/',
    'http://127.0.0.2.:PORT/',
    'http://127.0.0.2:PORT/',
    'http://127。0。0。2:PORT/',
    'http://%31%32%37.0.0.2:PORT/',
    'http://[::ffff:127.0.0.2]:PORT/',
    'http://[::ffff:7f00:2]:PORT/',
    'http://[0:0:0:0:0:ffff:127.0.0.2]:PORT/',
    'http://[::127.0.0.2]:PORT/',
    'http://0.0.0.0:PORT/',
    'http://[::]:PORT/',
    'http://[::1]:PORT/',
    'http://localhost:PORT/',
    'http://localhost.:PORT/',
    'http://inside.example:PORT/',
    'http://169.254.169.254/latest/meta-data/',
    'https://127.0.0.2:PORT/',
  ])('%s', async (url) => {
    const secret = await serve((_request, response) => response.end('secret'), { host: INSIDE });
    // The system's resolver may know localhost as ::1 too; here every name leads inside.
    const guardedFetch = createGuardedFetch({ allowHosts, lookup: resolvesTo([INSIDE]) });
    expect(await problemOf(guardedFetch(url.replace('PORT', String(secret.port)), { maxBytes }))).toBe(
      'not_public',
    );
    expect(secret.requests).toHaveLength(0);
  });

  it('nothing private is allowed unless the operator says so', async () => {
    const server = await serve((_request, response) => response.end('secret'));
    expect(await problemOf(createGuardedFetch()(server.origin, { maxBytes }))).toBe('not_public');
    const byName = server.origin.replace(OUTSIDE, 'localhost');
    expect(await problemOf(createGuardedFetch()(byName, { maxBytes }))).toBe('not_public');
    expect(server.requests).toHaveLength(0);
  });

  it('a missing name looks the same as an internal one', async () => {
    const lookup: Lookup = (_hostname, _options, callback) =>
      callback(Object.assign(new Error('not found'), { code: 'ENOTFOUND' }), []);
    const guardedFetch = createGuardedFetch({ lookup });
    expect(await problemOf(guardedFetch('http://nowhere.example/', { maxBytes }))).toBe('not_public');
  });
});

describe('a name that changes its address (DNS rebinding)', () => {
  it('is resolved once per connection, which uses the checked address', async () => {
    const outside = await serve((_request, response) => response.end('outside'));
    const inside = await serve((_request, response) => response.end('inside'), {
      host: INSIDE,
      port: outside.port,
    });
    const lookup = resolvesTo([OUTSIDE], [INSIDE]);
    const guardedFetch = createGuardedFetch({ allowHosts, lookup });
    const url = `http://rebinding.example:${outside.port}/`;
    expect((await guardedFetch(url, { maxBytes })).body.toString()).toBe('outside');
    expect(lookup.asked).toHaveLength(1);

    expect(await problemOf(guardedFetch(url, { maxBytes }))).toBe('not_public');
    expect(inside.requests).toHaveLength(0);
  });

  it('is refused at the redirect to itself', async () => {
    const outside = await serve((_request, response) => response.writeHead(302, { location: '/' }).end());
    const inside = await serve((_request, response) => response.end('inside'), {
      host: INSIDE,
      port: outside.port,
    });
    const guardedFetch = createGuardedFetch({ allowHosts, lookup: resolvesTo([OUTSIDE], [INSIDE]) });
    const url = `http://rebinding.example:${outside.port}/`;
    expect(await problemOf(guardedFetch(url, { maxBytes }))).toBe('not_public');
    expect(inside.requests).toHaveLength(0);
  });

  it('is connected to only at its public addresses', async () => {
    const outside = await serve((_request, response) => response.end('outside'));
    const inside = await serve((_request, response) => response.end('inside'), {
      host: INSIDE,
      port: outside.port,
    });
    const guardedFetch = createGuardedFetch({ allowHosts, lookup: resolvesTo([INSIDE, OUTSIDE]) });
    const answer = await guardedFetch(`http://mixed.example:${outside.port}/`, { maxBytes });
    expect(answer.body.toString()).toBe('outside');
    expect(inside.requests).toHaveLength(0);
  });
});

describe('redirects', () => {
  it.each([301, 302, 303, 307, 308])('%i is followed', async (status) => {
    const server = await serve((request, response) => {
      if (request.url === '/end') response.end('arrived');
      else response.writeHead(status, { location: 'end' }).end('x'.repeat(10 * maxBytes));
    });
    const answer = await createGuardedFetch({ allowHosts })(`${server.origin}/start`, { maxBytes });
    expect(answer).toMatchObject({ status: 200, url: `${server.origin}/end` });
  });

  it.each(['http://127.0.0.2:PORT/', '//127.0.0.2:PORT/', 'http://[::ffff:127.0.0.2]:PORT/'])(
    'to private URLs are refused: %s',
    async (location) => {
      const inside = await serve((_request, response) => response.end('inside'), { host: INSIDE });
      const outside = await serve((_request, response) =>
        response.writeHead(302, { location: location.replace('PORT', String(inside.port)) }).end(),
      );
      const guardedFetch = createGuardedFetch({ allowHosts });
      expect(await problemOf(guardedFetch(outside.origin, { maxBytes }))).toBe('not_public');
      expect(inside.requests).toHaveLength(0);
    },
  );

  it.each<[string | undefined, FetchProblem]>([
    ['file:///etc/passwd', 'bad_url'],
    ['data:text/plain,x', 'bad_url'],
    ['http://user:password@127.0.0.1/', 'bad_url'],
    ['http://127.0.0.1:22/', 'bad_port'],
    ['http://[', 'bad_url'],
    [undefined, 'bad_redirect'],
  ])('to %s are refused', async (location, problem) => {
    const server = await serve((_request, response) =>
      response.writeHead(302, location === undefined ? {} : { location }).end(),
    );
    expect(await problemOf(createGuardedFetch({ allowHosts })(server.origin, { maxBytes }))).toBe(problem);
  });

  it('in a circle end after three', async () => {
    const server = await serve((_request, response) => response.writeHead(302, { location: '/' }).end());
    const guardedFetch = createGuardedFetch({ allowHosts });
    expect(await problemOf(guardedFetch(server.origin, { maxBytes }))).toBe('too_many_redirects');
    expect(server.requests).toHaveLength(4);
  });

  it('carry no credentials', async () => {
    const other = await serve((_request, response) => response.end());
    const first = await serve((_request, response) =>
      response.writeHead(302, { location: other.origin }).end(),
    );
    await createGuardedFetch({ allowHosts })(first.origin, {
      maxBytes,
      headers: { Authorization: 'Bearer canary', cookie: 'canary', accept: 'image/png' },
    });
    expect(first.requests[0]?.headers.authorization).toBe('Bearer canary');
    expect(other.requests[0]?.headers.accept).toBe('image/png');
    expect(JSON.stringify(other.requests[0]?.rawHeaders)).not.toContain('canary');
  });
});

describe('other URLs are refused', () => {
  it.each<[string, FetchProblem]>([
    ['', 'bad_url'],
    ['images.example/a.png', 'bad_url'],
    ['/a.png', 'bad_url'],
    ['ftp://images.example/a.png', 'bad_url'],
    ['file:///etc/passwd', 'bad_url'],
    ['javascript:alert(1)', 'bad_url'],
    ['http://user@images.example/', 'bad_url'],
    ['http://:password@images.example/', 'bad_url'],
    ['http://', 'bad_url'],
    ['http://127.0.0.1:22/', 'bad_port'],
    ['http://127.0.0.1:25/', 'bad_port'],
    ['https://127.0.0.1:0/', 'bad_port'],
  ])('%s', async (url, problem) => {
    const lookup = resolvesTo([OUTSIDE]);
    expect(await problemOf(createGuardedFetch({ allowHosts, lookup })(url, { maxBytes }))).toBe(problem);
    expect(lookup.asked).toHaveLength(0);
  });
});

describe('a response that is too large', () => {
  it('is refused by its declared length, without being read', async () => {
    let sent = 0;
    const server = await serve((_request, response) => {
      response.setHeader('content-length', maxBytes + 1);
      response.flushHeaders();
      response.on('drain', () => (sent += 1));
    });
    const guardedFetch = createGuardedFetch({ allowHosts });
    expect(await problemOf(guardedFetch(server.origin, { maxBytes }))).toBe('too_large');
    expect(sent).toBe(0);
  });

  it('is cut off if it declares no length', async () => {
    let stopped: () => void = () => undefined;
    const cutOff = new Promise<void>((resolve) => {
      stopped = resolve;
    });
    const server = await serve((_request, response) => {
      const pour = () => {
        while (!response.destroyed && response.write(Buffer.alloc(maxBytes)));
      };
      response.on('drain', pour).on('close', stopped);
      pour();
    });
    const guardedFetch = createGuardedFetch({ allowHosts });
    expect(await problemOf(guardedFetch(server.origin, { maxBytes }))).toBe('too_large');
    await cutOff;
  });

  it('is accepted up to exactly the limit', async () => {
    const server = await serve((_request, response) => response.end(Buffer.alloc(maxBytes)));
    const { body } = await createGuardedFetch({ allowHosts })(server.origin, { maxBytes });
    expect(body).toHaveLength(maxBytes);
  });

  it('is refused if it is compressed, because it could expand to any size', async () => {
    const server = await serve((_request, response) =>
      response.setHeader('content-encoding', 'gzip').end(gzipSync(Buffer.alloc(10_000_000))),
    );
    const guardedFetch = createGuardedFetch({ allowHosts });
    expect(await problemOf(guardedFetch(server.origin, { maxBytes: 2 ** 20 }))).toBe('compressed');
  });

  it('is refused if its type is not expected', async () => {
    const server = await serve((_request, response) =>
      response.setHeader('content-type', 'text/html').end('<p>'),
    );
    const accept = (type: string) => type.startsWith('image/');
    const guardedFetch = createGuardedFetch({ allowHosts });
    expect(await problemOf(guardedFetch(server.origin, { maxBytes, accept }))).toBe('wrong_type');
  });
});

describe('a response that does not arrive', () => {
  const timeoutMs = 100;

  it.each<[string, Parameters<typeof serve>[0]]>([
    ['no headers', () => undefined],
    ['a body that never ends', (_request, response) => void response.write('x')],
    [
      'a body that trickles',
      (_request, response) => {
        const drip = setInterval(() => response.write('x'), 10);
        response.on('close', () => clearInterval(drip));
      },
    ],
  ])('is given up: %s', async (_what, listener) => {
    const server = await serve(listener);
    const guardedFetch = createGuardedFetch({ allowHosts, timeoutMs });
    expect(await problemOf(guardedFetch(server.origin, { maxBytes }))).toBe('timed_out');
  });

  it('is given up if the resolver does not respond', async () => {
    const guardedFetch = createGuardedFetch({ timeoutMs, lookup: () => undefined });
    expect(await problemOf(guardedFetch('http://silent.example/', { maxBytes }))).toBe('timed_out');
  });

  it.each<[string, Parameters<typeof serve>[0]]>([
    ['a connection that breaks', (request) => request.socket.destroy()],
    [
      'a body that breaks off',
      (_request, response) => {
        response.setHeader('content-length', 100);
        response.write('x', () => response.destroy());
      },
    ],
    ['what is no HTTP', (request) => request.socket.end('SSH-2.0-OpenSSH\r\n')],
  ])('is an error: %s', async (_what, listener) => {
    const server = await serve(listener);
    expect(await problemOf(createGuardedFetch({ allowHosts })(server.origin, { maxBytes }))).toBe(
      'unreachable',
    );
  });

  it('a caller that aborts gets its own reason', async () => {
    const gaveUp = new AbortController();
    const server = await serve((_request, response) => {
      response.flushHeaders();
      gaveUp.abort(new Error('gave up'));
    });
    const fetching = createGuardedFetch({ allowHosts })(server.origin, { maxBytes, signal: gaveUp.signal });
    await expect(fetching).rejects.toThrow('gave up');
  });

  it('a caller that aborts does not wait for a resolver that does not respond', async () => {
    const gaveUp = new AbortController();
    const lookup = () => setImmediate(() => gaveUp.abort(new Error('gave up')));
    const guardedFetch = createGuardedFetch({ timeoutMs: 60_000, lookup });
    const fetching = guardedFetch('http://silent.example/', { maxBytes, signal: gaveUp.signal });
    await expect(fetching).rejects.toThrow('gave up');
  });
});

describe('the check of a URL before it is fetched', () => {
  const check = createUrlCheck(['10.0.0.1', 'localhost']);
  const problem = (url: string) => {
    try {
      check(url);
      return undefined;
    } catch (error) {
      return (error as FetchError).problem;
    }
  };

  it('finds what needs no resolver', () => {
    for (const url of [
      'https://example.com/',
      'http://10.0.0.1:8080/',
      'http://localhost/',
      'http://8.8.8.8/',
    ])
      expect(problem(url), url).toBeUndefined();
    for (const url of ['http://10.0.0.2/', 'http://[::1]/', 'http://0x7f000001/', 'http://a.localhost/'])
      expect(problem(url), url).toBe('not_public');
    expect(problem('gopher://example.com/')).toBe('bad_url');
    expect(problem('http://example.com:25/')).toBe('bad_port');
  });
});
