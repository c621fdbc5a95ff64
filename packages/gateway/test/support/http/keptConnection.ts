import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A connection that a client keeps open to send one HTTP/1.1 request after another. */
export interface KeptConnection {
  /** Sends a GET; resolves with the status, the headers and the body. Rejects if the connection ends first. */
  get(path: string): Promise<{ status: number; headers: Headers; body: string }>;
  /** Resolves once the server has ended the connection. */
  readonly ended: Promise<unknown>;
}

/** Connects to `origin`; every request carries `key`. Answers must have a Content-Length. */
export async function keepConnection(origin: string, key: string): Promise<KeptConnection> {
  const { hostname, port } = new URL(origin);
  const socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  const ended = once(socket, 'close');
  // An error is reported to whoever waits for a response.
  socket.on('error', () => undefined);
  return {
    ended,
    async get(path) {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${key}\r\n\r\n`);
      return readAnswer(socket);
    },
  };
}

function readAnswer(socket: Socket): Promise<{ status: number; headers: Headers; body: string }> {
  return new Promise((resolve, reject) => {
    let text = '';
    const closed = () => reject(new Error(`the connection ended after "${text}"`));
    const read = (chunk: Buffer) => {
      text += chunk;
      const [head = '', ...rest] = text.split('\r\n\r\n');
      const body = rest.join('\r\n\r\n');
      const [first = '', ...lines] = head.split('\r\n');
      const headers = new Headers(lines.map((line) => line.split(/: (.*)/, 2) as [string, string]));
      if (rest.length === 0 || Buffer.byteLength(body) < Number(headers.get('content-length'))) return;
      socket.off('data', read);
      socket.off('close', closed);
      resolve({ status: Number(first.split(' ')[1]), headers, body });
    };
    socket.on('data', read);
    socket.once('close', closed);
  });
}
