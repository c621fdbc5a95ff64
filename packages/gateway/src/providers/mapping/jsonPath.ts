export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A job as packages read it that know errors only as objects. Services may report a failure as plain text. */
export const withErrorObject = (job: unknown): unknown =>
  isObject(job) && typeof job.status === 'string' && typeof job.error === 'string'
    ? { ...job, error: { code: 'error', message: job.error } }
    : job;

/** The value at a path such as `task.status` in a JSON value; undefined if there is none. */
export function valueAt(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((inner, name) => (isObject(inner) ? inner[name] : undefined), value);
}
