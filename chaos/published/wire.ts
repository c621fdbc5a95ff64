import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { reset } from '../../scripts/servers/tcpSwitch.ts';

/** A point of a conversation at which the wire holds everything back, once. */
export interface Trap {
  /** Matches the head of a request, or its body as far as it came with it. */
  readonly request: RegExp;
  /** What is held: the request; or its answer, after so many bytes of it; or nothing, and only its passing is told. */
  readonly hold: 'request' | 'nothing' | { readonly answerAfter: number };
}

/** The way from one client to a gateway, which can be cut at any byte. */
export interface Wire {
  readonly url: string;
  /** Where connections go from now on. */
  redirect(port: number): void;
  /** Resolves when a request has got there. Until `release`, nothing more of it passes. */
  trap(trap: Trap): Promise<void>;
  release(): void;
  /** Resets all connections, and refuses new ones until `mend`. */
  cut(): Promise<void>;
  mend(): Promise<void>;
  close(): Promise<void>;
}

interface Connection {
  readonly near: Socket;
  readonly far: Socket;
  /** The request that the client sends, from its first line on. */
  request: string;
  /** How much of the answer still passes, and what to call then; undefined: all of it. */
  limit: { readonly left: number; readonly reached: () => void } | undefined;
  held: Held | undefined;
}

/** What is held back, and for whom. */
interface Held {
  readonly from: Socket;
  readonly to: Socket;
  readonly piece: Buffer;
  /** Nothing comes after it. */
  last: boolean;
}

const REQUEST_LINE = /^(?:GET|HEAD|POST|PUT|PATCH|DELETE) \//;
/** How much of a request a trap sees. */
const SEEN = 16_384;

/** Listens on a free port of 127.0.0.1 and forwards to the port `first`. Answers are small enough to be buffered. */
export async function createWire(first: number): Promise<Wire> {
  const connections = new Set<Connection>();
  let target = first;
  let armed: { readonly trap: Trap; readonly reached: () => void } | undefined;
  const server = createServer((near) => open(near));

  function open(near: Socket): void {
    const far = connect({ port: target, host: '127.0.0.1', noDelay: true });
    const connection: Connection = { near, far, request: '', limit: undefined, held: undefined };
    connections.add(connection);
    near.setNoDelay(true);
    near.on('data', (piece: Buffer) => onRequest(connection, piece));
    far.on('data', (piece: Buffer) => onAnswer(connection, piece));
    near.on('end', () => onEnd(connection, near, far));
    far.on('end', () => onEnd(connection, far, near));
    near.on('error', () => reset(far));
    far.on('error', () => reset(near));
    near.once('close', () => {
      connections.delete(connection);
      far.destroy();
    });
    // What was said before the end may still be on its way, or be held.
    far.once('close', () => near.writableEnded || connection.held?.last || near.destroy());
  }

  function onEnd({ held }: Connection, from: Socket, to: Socket): void {
    if (held?.from === from) held.last = true;
    else to.end();
  }

  function onRequest(connection: Connection, piece: Buffer): void {
    const text = piece.toString('latin1');
    connection.request = (REQUEST_LINE.test(text) ? text : connection.request + text).slice(0, SEEN);
    if (armed?.trap.request.test(connection.request)) {
      const { trap, reached } = armed;
      armed = undefined;
      if (trap.hold === 'request') {
        hold(connection, connection.near, piece, reached);
        return;
      }
      if (trap.hold === 'nothing') reached();
      else connection.limit = { left: trap.hold.answerAfter, reached };
    }
    connection.far.write(piece);
  }

  function onAnswer(connection: Connection, piece: Buffer): void {
    const { near, far, limit } = connection;
    if (!limit || piece.length <= limit.left) {
      near.write(piece);
      connection.limit = limit && { ...limit, left: limit.left - piece.length };
      return;
    }
    if (limit.left > 0) near.write(piece.subarray(0, limit.left));
    hold(connection, far, piece.subarray(limit.left), limit.reached);
  }

  function hold(connection: Connection, from: Socket, piece: Buffer, reached: () => void): void {
    from.pause();
    const { near, far } = connection;
    connection.held = { from, to: from === near ? far : near, piece, last: false };
    reached();
  }

  function release(): void {
    for (const connection of connections) {
      const { held } = connection;
      connection.limit = undefined;
      connection.held = undefined;
      if (!held) continue;
      held.to.write(held.piece);
      if (held.last) held.to.end();
      held.from.resume();
    }
  }

  async function listen(port: number): Promise<void> {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  }

  async function cut(): Promise<void> {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    for (const { near, far } of connections) {
      reset(near);
      reset(far);
    }
    await closed;
  }

  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    redirect(to) {
      target = to;
    },
    trap: (trap) =>
      new Promise((reached) => {
        armed = { trap, reached };
      }),
    release,
    cut,
    mend: () => listen(port),
    close: cut,
  };
}
