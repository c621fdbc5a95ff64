import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * `open`: forwards. `cut`: resets connections and refuses new ones. `black_hole`: keeps connections, accepts new ones, and passes
 * no byte, as if a cable were pulled; the bytes arrive late when the switch is opened again.
 */
export type SwitchMode = 'open' | 'cut' | 'black_hole';

/** A connection to a server that can be blocked, like a cable that is pulled. */
export interface TcpSwitch {
  /** On 127.0.0.1; the same in every mode. */
  readonly port: number;
  set(mode: SwitchMode): Promise<void>;
  /** Resets every connection, and forwards to another port from now on, like a failover. */
  redirect(port: number): void;
  /** The local ports of its connections to the server, by which the server identifies its clients. */
  readonly outgoing: ReadonlySet<number>;
  close(): Promise<void>;
}

interface Pair {
  readonly near: Socket;
  /** Undefined until the switch lets the connection through. */
  far: Socket | undefined;
}

/** Listens on a free port and forwards to the port `first` on 127.0.0.1. */
export async function createTcpSwitch(first: number): Promise<TcpSwitch> {
  const pairs = new Set<Pair>();
  const outgoing = new Set<number>();
  let mode: SwitchMode = 'open';
  let target = first;
  const server = createServer({ pauseOnConnect: true }, (near) => {
    const pair: Pair = { near, far: undefined };
    pairs.add(pair);
    near.on('error', () => undefined);
    near.once('close', () => {
      pairs.delete(pair);
      pair.far?.destroy();
    });
    if (mode === 'open') forward(pair);
  });

  function forward(pair: Pair): void {
    const { near } = pair;
    if (pair.far) {
      near.pipe(pair.far);
      pair.far.pipe(near);
      return;
    }
    const far = connect({ port: target, host: '127.0.0.1', noDelay: true });
    pair.far = far;
    near.setNoDelay(true);
    let local = 0;
    far.once('connect', () => {
      local = far.localPort ?? 0;
      outgoing.add(local);
    });
    far.once('error', () => reset(near));
    far.once('close', () => {
      outgoing.delete(local);
      // Bytes from before the end may still be on their way to the near side.
      if (near.writableLength === 0) near.destroy();
      else near.end();
    });
    near.pipe(far);
    far.pipe(near);
  }

  function hold({ near, far }: Pair): void {
    near.unpipe();
    near.pause();
    far?.unpipe();
    far?.pause();
  }

  function resetAll(): void {
    for (const { near, far } of pairs) {
      reset(near);
      if (far) reset(far);
    }
  }

  await listen(server, 0);
  const { port } = server.address() as AddressInfo;

  async function stopListening(): Promise<void> {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    resetAll();
    await closed;
  }

  return {
    port,
    outgoing,
    async set(next) {
      if (next === mode) return;
      mode = next;
      if (next === 'cut') return stopListening();
      // First, because a connection that is accepted later follows the new mode already.
      for (const pair of pairs) {
        if (next === 'open') forward(pair);
        else hold(pair);
      }
      if (!server.listening) await listen(server, port);
    },
    redirect(to) {
      target = to;
      resetAll();
    },
    close: stopListening,
  };
}

/** Resets a connection. Node cannot reset a socket while it shuts it down: it would stay open, and never emit `close`. */
export function reset(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}

async function listen(server: Server, port: number): Promise<void> {
  const listening = once(server, 'listening');
  server.listen(port, '127.0.0.1');
  await listening;
}
