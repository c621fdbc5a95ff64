import { z } from 'zod';
import type { UpstreamHttp } from '../http/upstreamHttp.ts';
import type { Json } from '../mapping/body.ts';
import type { Sending } from '../provider.ts';
import { isUnknownTask } from './errors.ts';
import { type ArkTask, readPage, readTask, type TaskOrMissing, type TaskPage, unreadable } from './wire.ts';

/** Ark's calls. Each sends one request and throws only `UpstreamError`. */
export interface ArkClient {
  /** Creates a task and resolves with its id. */
  create(body: Json, sending: Sending): Promise<string>;
  task(id: string, signal: AbortSignal): Promise<TaskOrMissing>;
  /** The tasks of these ids, in one request. The list may leave some out. */
  tasks(ids: readonly string[], signal: AbortSignal): Promise<readonly ArkTask[]>;
  /** A page of the list of tasks. */
  list(query: URLSearchParams, signal: AbortSignal): Promise<TaskPage>;
  /** Stops a queued task; erases a finished one together with its video. */
  remove(id: string, signal: AbortSignal): Promise<void>;
}

const TASKS = '/contents/generations/tasks';

const Created = z.object({ id: z.string().min(1) });

export function createArkClient(http: UpstreamHttp): ArkClient {
  const pathOf = (id: string): string => `${TASKS}/${encodeURIComponent(id)}`;

  async function list(query: URLSearchParams, signal: AbortSignal): Promise<TaskPage> {
    return readPage((await http.call({ method: 'GET', path: `${TASKS}?${query}`, signal })).body);
  }

  return {
    async create(json, sending) {
      const { body } = await http.call({ method: 'POST', path: TASKS, json, ...sending });
      const created = Created.safeParse(body);
      if (!created.success) throw unreadable('the id of a task', body);
      return created.data.id;
    },

    async task(id, signal) {
      try {
        const { body, pollAfterMs } = await http.call({ method: 'GET', path: pathOf(id), signal });
        return { ...readTask(body), pollAfterMs };
      } catch (error) {
        if (isUnknownTask(error)) return 'missing';
        throw error;
      }
    },

    async tasks(ids, signal) {
      const filters = ids.map((id): [string, string] => ['filter.task_ids', id]);
      const query = new URLSearchParams([...filters, ['page_size', String(ids.length)]]);
      return (await list(query, signal)).tasks;
    },

    list,

    async remove(id, signal) {
      await http.call({ method: 'DELETE', path: pathOf(id), signal });
    },
  };
}
