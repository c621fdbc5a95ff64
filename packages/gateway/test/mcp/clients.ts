import {
  Client,
  type JSONRPCMessage,
  StreamableHTTPClientTransport,
  type Transport,
} from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { createMcpHandler } from '@modelcontextprotocol/server';
import { onTestFinished } from 'vitest';
import type { CallApi } from '../../src/mcp/api.ts';
import { createMcpServer } from '../../src/mcp/server.ts';
import { KEY, type TestGateway } from '../support/gateway.ts';
import { CLI } from '../support/processes/commandLine.ts';

/** How a client reaches a gateway. */
export const WAYS = {
  '/mcp': ({ gateway }: TestGateway, key = KEY): Transport =>
    new StreamableHTTPClientTransport(new URL('/mcp', gateway.address), {
      requestInit: { headers: { authorization: `Bearer ${key}` } },
    }),
  'onetake mcp': ({ gateway }: TestGateway, key = KEY): Transport =>
    new StdioClientTransport({
      command: process.execPath,
      args: [CLI, 'mcp', '--url', gateway.address],
      env: { ONETAKE_API_KEY: key },
    }),
};
export type Way = keyof typeof WAYS;
export const EVERY_WAY = Object.keys(WAYS) as Way[];

/** Tools over an API that a test pretends, without a gateway. */
export function toolsOver(call: CallApi): Transport {
  const handler = createMcpHandler(({ era }) => createMcpServer(call, '1', era));
  return new StreamableHTTPClientTransport(new URL('http://gateway/mcp'), {
    fetch: (url, init) => handler.fetch(new Request(url, init)),
  });
}

/** 2025's handshake, and 2026-07-28 without one. */
export const ERAS = ['legacy', 'auto'] as const;

export async function connected(
  transport: Transport,
  mode: (typeof ERAS)[number] = 'auto',
  capabilities = {},
): Promise<Client> {
  const client = new Client(
    { name: 'test', version: '1.0.0' },
    { versionNegotiation: { mode }, capabilities },
  );
  await client.connect(transport);
  onTestFinished(() => client.close());
  return client;
}

const TASKS = { extensions: { 'io.modelcontextprotocol/tasks': {} } };

interface Answer {
  // biome-ignore lint/suspicious/noExplicitAny: tests read any member of results, and then assert it
  readonly result?: any;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

/** Sends a request as it is, and resolves with what comes back. The official client does not take the handle of a task for an answer. */
export type Send = (method: string, params: object, capabilities?: object) => Promise<Answer>;

/** A connected client that declares the extension for tasks with every request. */
export async function taskClient(transport: Transport): Promise<{ client: Client; send: Send }> {
  const client = await connected(transport, 'auto', TASKS);
  const waiting = new Map<unknown, (answer: Answer) => void>();
  const { onmessage } = transport;
  transport.onmessage = (message: JSONRPCMessage, extra) => {
    const settle = 'id' in message ? waiting.get(message.id) : undefined;
    if (settle) settle(message as Answer);
    else onmessage?.call(transport, message, extra);
  };
  const send: Send = (method, params, capabilities = TASKS) => {
    const id = `raw-${waiting.size}`;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    waiting.set(id, resolve);
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1.0.0' },
      'io.modelcontextprotocol/clientCapabilities': capabilities,
    };
    transport.send({ jsonrpc: '2.0', id, method, params: { ...params, _meta } }).catch((error: Error) => {
      // An error of the protocol that HTTP knows too, such as a method that does not exist.
      const [body] = /\{.*\}$/.exec(error.message) ?? [];
      if (body === undefined) reject(error);
      else resolve(JSON.parse(body));
    });
    return promise;
  };
  return { client, send };
}
