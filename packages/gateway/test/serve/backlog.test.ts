import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { startTestGateway } from '../support/gateway.ts';

/** The kernel's upper limit of what waits to be accepted. */
const LIMIT = '/proc/sys/net/core/somaxconn';
const CLIENTS = 1500;
const ESTABLISHED = '01';

const limit = existsSync(LIMIT) ? Number(readFileSync(LIMIT, 'utf8')) : 0;

/** The server's ends of connections to a port, accepted or not. */
function establishedTo(port: number): number {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((row) => row.trim().split(/\s+/));
  return rows.filter(([, from, , state]) => from?.endsWith(local) && state === ESTABLISHED).length;
}

it.runIf(limit >= CLIENTS)('drops none of many clients that come back at once', async () => {
  const { gateway } = await startTestGateway();
  const port = Number(new URL(gateway.address).port);
  const before = establishedTo(port);
  // All of them before the gateway can accept one.
  const sockets = Array.from({ length: CLIENTS }, () => connect({ host: '127.0.0.1', port }));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (const socket of sockets) socket.on('error', () => undefined);
  await turn();
  expect(establishedTo(port) - before).toBe(CLIENTS);
});
