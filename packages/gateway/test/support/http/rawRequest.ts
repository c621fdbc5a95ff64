import { once } from 'node:events';
import { connect } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** Sends exactly these bytes, and reads responses until the server closes the connection. For what HTTP clients refuse to send. */
export async function rawRequest(origin: string, ...pieces: (string | Buffer)[]): Promise<RawAnswer[]> {
  const { hostname, port } = new URL(origin);
  const socket = connect({ port: Number(port), host: hostname });
  let text = '';
  // As bytes, because responses are read by their Content-Length.
  socket.setEncoding('latin1').on('data', (piece: string) => {
    text += piece;
  });
  const closed = once(socket, 'close');
  await once(socket, 'connect');
  for (const piece of pieces) socket.write(piece);
  await closed;
  return answersIn(text);
}

function answersIn(text: string): RawAnswer[] {
  if (text === '') return [];
  const end = text.indexOf('\r\n\r\n');
  const [first = '', ...lines] = text.slice(0, end).split('\r\n');
  const headers = new Headers(lines.map((line) => line.split(/: (.*)/, 2) as [string, string]));
  const status = Number(first.split(' ')[1]);
  const length = Number(headers.get('content-length') ?? 0);
  const body = Buffer.from(text.slice(end + 4, end + 4 + length), 'latin1').toString();
  return [{ status, headers, body }, ...answersIn(text.slice(end + 4 + length))];
}
