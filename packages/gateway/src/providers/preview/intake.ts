import { Readable } from 'node:stream';
import type { InputRef } from '../../tasks/request.ts';
import { readInput } from '../mapping/inputs.ts';
import { type Job, type MaySend, SendRefused } from '../provider.ts';
import type { JobFiles } from './jobFiles.ts';
import type { Renders } from './renders.ts';
import { specOf } from './request.ts';

/** Turns jobs into files and starts their renders. */
export interface Intake {
  /** Accepts a job once, however many calls ask for it at a time. Throws `SendRefused` if `maySend` is false at the end. */
  accept(job: Job, maySend: MaySend): Promise<void>;
  /** Resolves when no call is accepting the job of this key. */
  settled(key: string): Promise<void>;
}

export function createIntake(files: JobFiles, renders: Renders): Intake {
  const pending = new Map<string, Promise<void>>();

  async function save(job: Job, role: 'first' | 'last', input: InputRef | undefined) {
    return (
      input && (await files.saveImage(job.idempotencyKey, role, Readable.from([await readInput(job, input)])))
    );
  }

  async function accept(job: Job, maySend: MaySend): Promise<void> {
    const { idempotencyKey: key, request } = job;
    if (await files.readSpec(key)) return;
    const first = await save(job, 'first', request.image);
    const last = await save(job, 'last', request.lastFrame);
    const spec = specOf(request, key, {
      ...(first === undefined ? {} : { firstFrame: first }),
      ...(last === undefined ? {} : { lastFrame: last }),
    });
    // The spec creates the job. As with any upstream, this node creates nothing after it has lost its lease.
    if (!maySend()) throw new SendRefused();
    await files.saveSpec(key, spec);
    renders.enqueue(key, spec);
  }

  return {
    accept(job, maySend) {
      const key = job.idempotencyKey;
      const accepting = pending.get(key) ?? accept(job, maySend).finally(() => pending.delete(key));
      pending.set(key, accepting);
      return accepting;
    },
    async settled(key) {
      await pending.get(key)?.catch(() => undefined);
    },
  };
}
