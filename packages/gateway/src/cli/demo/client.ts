import { createWriteStream, existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** The fields of a query's response that the demo uses. */
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

/** A client of the public API, with only a base URL and a key. */
export interface DemoClient {
  readonly base: string;
  submit(body: Readonly<Record<string, unknown>>): Promise<TaskAnswer>;
  /** Queries until the task has ended, and calls `onAnswer` with each response. */
  finished(id: string, onAnswer?: (task: TaskAnswer) => void): Promise<TaskAnswer>;
  /** Saves the video as the family delivers it; returns the way of delivery. */
  save(task: TaskAnswer, file: string): Promise<'url' | 'download endpoint'>;
}

/** Time between two queries: everything runs on this machine, and the bar should move. Milliseconds. */
const QUERY_EVERY_MS = 100;

export function createClient(base: string, key: string): DemoClient {
  const tasks = `${base}/v1/video/generations`;

  async function call<T>(url: string, init: RequestInit = {}): Promise<T> {
    const response = await fetch(url, {
      ...init,
      headers: { ...init.headers, authorization: `Bearer ${key}` },
    });
    // The fields of the contract; a missing one shows in the output.
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

/** A short description of a finished video. */
export function described({ duration, size, video_codec, audio_codec, bytes = 0 }: TaskAnswer): string {
  const codecs = [video_codec, audio_codec].filter(Boolean).join(' + ');
  return `${duration} s, ${size}, ${codecs}, ${(bytes / 1e6).toFixed(2)} MB`;
}

/** A free name in the folder in which the command was started, after `text`. */
export function freeFile(text: string): string {
  const slug =
    text
      .toLowerCase()
      .normalize('NFKD')
      .replace(/[^\p{L}\p{N}]+/gu, '-')
      .replace(/^-|-$/g, '')
      .slice(0, 60) || 'video';
  for (let n = 1; ; n++) {
    const path = n === 1 ? `${slug}.mp4` : `${slug}-${n}.mp4`;
    if (!existsSync(path)) return path;
  }
}
