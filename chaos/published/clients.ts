import { join } from 'node:path';
import type { Installed } from './install.ts';
import type { Moment } from './plan.ts';

/** What a client is told. */
export interface Order {
  readonly url: string;
  readonly key: string;
  readonly params: { readonly model: string; readonly prompt: string; readonly duration: number };
  readonly idempotencyKey: string;
  /** The task with which it goes on; undefined: it submits. */
  readonly taskId: string | undefined;
  readonly file: string;
}

interface Command {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A client that people install, with the program that its documentation tells them to write. */
export interface PublishedClient {
  readonly name: string;
  readonly needsPython?: true;
  command(installed: Installed, order: Order): Command;
  /** The exit code after which its user repeats the command, as its documentation says. */
  readonly repeatAfter?: number;
  /** The requests by which it is known where it is. */
  readonly requests: Readonly<Record<Moment, RegExp>>;
}

const UNIFIED = {
  submit: /^POST \/v1\/video\/generations /,
  wait: /^GET \/v1\/video\/generations\/video_\w+(?:\/events|\?wait)/,
  download: /^GET \/v1\/video\/generations\/video_\w+\/content/,
};
const OPENAI = {
  submit: /^POST \/v1\/videos /,
  wait: /^GET \/v1\/videos\/video_\w+ /,
  download: /^GET \/v1\/videos\/video_\w+\/content/,
};
const LINK = /^GET \/media\//;
/** One call submits and waits. */
const CALL = /^POST \/mcp .*generate_video/s;

const node = (program: string, env?: (installed: Installed) => Readonly<Record<string, string>>) => ({
  command: (installed: Installed): Command => ({
    command: process.execPath,
    args: [join(installed.programs, program)],
    env: env?.(installed) ?? {},
  }),
});

export const CLIENTS: readonly PublishedClient[] = [
  { name: 'typescript', ...node('typescript.mjs'), requests: UNIFIED },
  { name: 'ai-sdk', ...node('ai-sdk.mjs'), requests: UNIFIED },
  { name: 'openai-node', ...node('openai.mjs'), requests: OPENAI },
  {
    name: 'openai-python',
    needsPython: true,
    command: ({ programs, openaiPython }) => ({
      command: openaiPython,
      args: ['-W', 'ignore::DeprecationWarning', join(programs, 'openai_videos.py')],
    }),
    requests: OPENAI,
  },
  {
    name: 'python',
    needsPython: true,
    command: ({ programs, ourPython, wheel }) => ({
      command: ourPython,
      args: [join(programs, 'onetake_client.py')],
      env: { PYTHONPATH: wheel },
    }),
    requests: UNIFIED,
  },
  {
    name: 'cli',
    command: ({ cli }, { params, idempotencyKey, taskId, file }) => {
      const { prompt, model, duration } = params;
      const request = [prompt, '-m', model, '-d', String(duration), '--idempotency-key', idempotencyKey];
      const words = taskId === undefined ? ['generate', ...request] : ['wait', taskId];
      return { command: process.execPath, args: [cli, ...words, '-o', file] };
    },
    // "Trouble that may pass."
    repeatAfter: 1,
    requests: UNIFIED,
  },
  { name: 'mcp', ...node('mcp.mjs'), requests: { submit: CALL, wait: CALL, download: LINK } },
  {
    name: 'mcp-stdio',
    ...node('mcp.mjs', ({ cli }) => ({ MCP_COMMAND: cli })),
    requests: { ...UNIFIED, download: LINK },
  },
];
