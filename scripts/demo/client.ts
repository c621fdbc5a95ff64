import { createWriteStream, existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** The answer to a query (API.md, "Query"), as far as the demonstration looks at it. */
export interface TaskAnswer {
  readonly task_id: string;
  readonly status: 'queued' | 'in_progress' | 'succeeded' | 'failed';
  readonly url?: string;
  readonly error?: { readonly message: string };
  readonly progress?: number;
  readonly duration?: number;
  readonly size?: string;
  readonly bytes?: number;
  readonly video_codec?: string;
  readonly audio_codec?: string;
}

/** A client of the public API, with nothing but a base URL and a key. */
export interface DemoClient {
  readonly base: string;
  submit(body: Readonly<Record<string, unknown>>): Promise<TaskAnswer>;
  /** Queries until the task is over, and calls `onAnswer` with each answer. */
  finished(id: string, onAnswer?: (task: TaskAnswer) => void): Promise<TaskAnswer>;
  /** Saves the video as the family delivers it; tells how that was. */
  save(task: TaskAnswer, file: string): Promise<'url' | 'download endpoint'>;
}

/** Time between two queries: everything is on this very machine, and a bar should move. Milliseconds. */
const QUERY_EVERY_MS = 100;

export function createClient(base: string, key: string): DemoClient {
  const tasks = `${base}/v1/video/generations`;

  async function call<T>(url: string, init: RequestInit = {}): Promise<T> {
    const response = await fetch(url, {
      ...init,
      headers: { ...init.headers, authorization: `Bearer ${key}` },
    });
    // The words of the contract; what is missing shows in what is printed.
    const body = (await response.json()) as T & { error?: { message?: string } };
    if (!response.ok) throw new Error(body.error?.message ?? `${url} answered ${response.status}`);
    return body;
  }

  return {
    base,
    submit: (body) =>
      call<TaskAnswer>(tasks, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),

    async finished(id, onAnswer) {
      for (;;) {
        const task = await call<TaskAnswer>(`${tasks}/${id}`);
        onAnswer?.(task);
        if (task.status === 'succeeded' || task.status === 'failed') return task;
        await new Promise((wake) => setTimeout(wake, QUERY_EVERY_MS));
      }
    },

    async save({ task_id: id, url }, file) {
      if (url === undefined) {
        const { base64 } = await call<{ base64: string }>(`${tasks}/download?id=${id}`);
        await writeFile(file, Buffer.from(base64, 'base64'));
        return 'download endpoint';
      }
      const response = await fetch(url);
      if (!response.ok || !response.body) throw new Error(`${url} answered ${response.status}`);
      await pipeline(Readable.fromWeb(response.body), createWriteStream(file));
      return 'url';
    },
  };
}

/** What is in a finished video, in a few words. */
export function described({ duration, size, video_codec, audio_codec, bytes = 0 }: TaskAnswer): string {
  const codecs = [video_codec, audio_codec].filter(Boolean).join(' + ');
  return `${duration} s, ${size}, ${codecs}, ${(bytes / 1e6).toFixed(2)} MB`;
}

/** A path that is not taken yet, in the folder that the command was started from, named after `text`. */
export function freeFile(text: string): string {
  const dir = process.env.INIT_CWD ?? process.cwd();
  const slug =
    text
      .toLowerCase()
      .normalize('NFKD')
      .replace(/[^\p{L}\p{N}]+/gu, '-')
      .replace(/^-|-$/g, '')
      .slice(0, 60) || 'video';
  for (let n = 1; ; n++) {
    const path = resolve(dir, n === 1 ? `${slug}.mp4` : `${slug}-${n}.mp4`);
    if (!existsSync(path)) return path;
  }
}
