import type { Server } from 'node:http';

/** Listens on a port of loopback that is free, and prints the address. */
export function printAddress(server: Server): void {
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    if (typeof address === 'object' && address) console.log(`http://127.0.0.1:${address.port}`);
  });
}
