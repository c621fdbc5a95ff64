import { ASSUMPTIONS } from './assumptions.ts';
import { FILTERS, OPERATION_ERRORS } from './errors.ts';
import { operationName, samplesOf, type VeoJob } from './veoJob.ts';

/** google.longrunning.Operation. It has no progress, and a queued job looks like a running one. */
export function operationView(
  job: VeoJob,
  options: { readonly failureCode: number; readonly response: Record<string, unknown> },
): Record<string, unknown> {
  const name = operationName(job);
  const { complaint } = job.details;
  if (job.state === 'queued' || job.state === 'running') return { name };
  const error = complaint === undefined ? errorOf(job, options.failureCode) : { code: 3, message: complaint };
  return error ? { name, done: true, error } : { name, done: true, response: options.response };
}

function errorOf(job: VeoJob, failureCode: number): { code: number; message: string } | undefined {
  const failed = (code: number) => ({ code, message: OPERATION_ERRORS[code] ?? 'Unknown error.' });
  if (job.state === 'succeeded') return undefined;
  if (job.state === 'expired') return failed(ASSUMPTIONS.expiredCode);
  switch (job.failure) {
    case 'moderation':
      return { code: 3, message: FILTERS.input };
    case 'invalid':
      return {
        code: 3,
        message:
          'Unsupported output video duration 5 seconds, supported durations are [4,6,8] for feature text_to_video.',
      };
    default:
      return failed(failureCode);
  }
}

/** `raiMediaFilteredCount` and `raiMediaFilteredReasons`: a filtered operation is a successful one. */
export function filteredOf(job: VeoJob): Record<string, unknown> | undefined {
  const { ending } = job.plan;
  if (ending !== 'filtered' && ending !== 'partial') return undefined;
  const count = Math.max(1, job.details.samples - samplesOf(job));
  return { raiMediaFilteredCount: count, raiMediaFilteredReasons: Array(count).fill(FILTERS.output) };
}
