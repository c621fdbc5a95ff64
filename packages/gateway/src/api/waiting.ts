import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { invalidRequest } from '../tasks/errors.ts';
import { type Status, statusOf } from '../tasks/task.ts';
import type { ApiContext } from './context.ts';
import { queryNumber } from './schemas.ts';

/** How long an answer can be held at most, seconds. Not above the idle timeouts of common proxies. */
const MAX_WAIT_SECONDS = 60;

/** The parameters of a held answer. */
export const WaitQuery = z.object({
  wait: queryNumber({ min: 0, max: MAX_WAIT_SECONDS, example: 30, hint: 'to wait longer, ask again' })
    .optional()
    .describe(
      'How many seconds to hold the answer until the task has finished. Also as a header: `Prefer: wait=30`, where more than the maximum is shortened to it; `Preference-Applied` says how long',
    ),
  wait_for: z
    .enum(['finished', 'change'])
    .optional()
    .describe('With `wait`: until the task has finished (the default), or until its `status` changes'),
});

/** How long to hold an answer, and until when. */
export interface Wait {
  readonly seconds: number;
  /** Whether the answer need not be held any longer, if the caller knows the status `seen`. */
  isOver(status: Status, seen: Status): boolean;
  readonly forChange: boolean;
  /** The preference that was applied, for `Preference-Applied`. */
  readonly applied?: string;
}

const isFinished = (status: Status): boolean => status === 'succeeded' || status === 'failed';

/** What a request says about waiting; undefined if its answer is not to be held. Throws a 400 if it asks for what there is not. */
export function waitOf(
  query: z.output<typeof WaitQuery>,
  prefer: string | string[] | undefined,
): Wait | undefined {
  const preferred = query.wait === undefined ? preferredWait(prefer) : undefined;
  const seconds = query.wait ?? preferred;
  if (!seconds && query.wait_for !== undefined) {
    throw invalidRequest(
      `Say with wait_for how long to wait, too: ?wait=30&wait_for=${query.wait_for}.`,
      'wait_for',
    );
  }
  if (seconds === undefined || seconds === 0) return undefined;
  const forChange = query.wait_for === 'change';
  return {
    seconds,
    forChange,
    isOver: (status, seen) => isFinished(status) || (forChange && status !== seen),
    ...(preferred === undefined ? {} : { applied: `wait=${preferred}` }),
  };
}

/** `Prefer: wait=30` (RFC 7240). A longer one is shortened, which `Preference-Applied` tells; one that cannot be read is not applied. */
function preferredWait(prefer: string | string[] | undefined): number | undefined {
  if (prefer === undefined) return undefined;
  const given = /(?:^|,)\s*wait\s*=\s*"?(\d+)"?\s*(?:[,;]|$)/i.exec([prefer].flat().join(','))?.[1];
  return given === undefined ? undefined : Math.min(Number(given), MAX_WAIT_SECONDS);
}

/** Watches the status of a task for one request. */
export interface StatusWatch {
  /** Resolves when the status is one of those awaited, the time is over, the client disconnects, or the gateway stops. */
  until(isOver: (status: Status) => boolean, seconds: number, reply: FastifyReply): Promise<void>;
  stop(): void;
}

/** To be called before the task is read, so that no change in between is missed. */
export function watchStatus(
  { feed, draining }: Pick<ApiContext, 'feed' | 'draining'>,
  taskId: string,
): StatusWatch {
  let status: Status | undefined;
  let look: (() => void) | undefined;
  const stop = feed.onTask(taskId, ({ task }) => {
    status = statusOf(task);
    look?.();
  });

  return {
    stop,
    until: (isOver, seconds, { raw, request }) =>
      new Promise((resolve) => {
        request.isHeld = true;
        const done = () => {
          clearTimeout(timer);
          stopDrain();
          raw.off('close', done);
          look = undefined;
          resolve();
        };
        const timer = setTimeout(done, seconds * 1000);
        const stopDrain = draining.onRelease(done);
        raw.once('close', done);
        look = () => {
          if (status !== undefined && isOver(status)) done();
        };
        // What happened while the task was read: there will be no event.
        if (raw.destroyed || raw.socket?.destroyed) done();
        else look();
      }),
  };
}
