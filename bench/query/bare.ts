import { hash } from 'node:crypto';
import { createServer } from 'node:http';

/** The answer that the bare server gives to whoever has the key. */
export interface BareAnswer {
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * The least that a server on `node:http` can do for a status query: look up the hash of the key, compare the entity tag, and send the
 * bytes. Its parent sends the answer, and gets the port.
 */
function serve({ key, headers, body }: BareAnswer): void {
  const keys = new Set([hash('sha256', key, 'hex')]);
  const bytes = Buffer.from(body);
  const unchanged = Object.fromEntries(
    Object.entries(headers).filter(([name]) => !name.startsWith('content-')),
  );
  const server = createServer((request, response) => {
    const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
    if (!keys.has(hash('sha256', given, 'hex'))) response.writeHead(401).end();
    else if (headers.etag !== undefined && request.headers['if-none-match'] === headers.etag)
      response.writeHead(304, unchanged).end();
    else response.writeHead(200, headers).end(bytes);
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    if (typeof address === 'object') process.send?.(address?.port);
  });
}

process.once('message', serve);
process.once('disconnect', () => process.exit());
