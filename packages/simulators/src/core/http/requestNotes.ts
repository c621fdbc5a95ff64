import type { FastifyRequest } from 'fastify';
import type { FaultRule } from '../faults/faults.ts';
import type { Job } from '../jobs/job.ts';
import type { LedgerWriter, Operation, RequestRecord } from '../ledger.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the route does, for the ledger and the faults. */
    operation?: Operation;
  }
  interface FastifyRequest {
    /** Set by the core on every request. */
    notes: Notes | undefined;
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export interface Notes {
  readonly record: Mutable<RequestRecord>;
  fault: FaultRule | undefined;
}

/** How a route tells the core about the request that it handles. */
export interface RequestNotes {
  /** Counts the request for this job in the ledger. */
  about(request: FastifyRequest, job: Job): void;
}

export function createRequestNotes(ledger: LedgerWriter): RequestNotes {
  return {
    about(request, job) {
      const record = request.notes?.record;
      if (record) record.job = job.id;
      ledger.touched(job, record?.operation ?? 'other');
    },
  };
}
