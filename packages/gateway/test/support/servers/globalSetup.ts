import type { TestProject } from 'vitest/node';
import { startPostgres } from '../../../../../scripts/servers/postgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** URL of the PostgreSQL server that all tests of a run share; each makes a database of its own on it. */
    postgres: string;
  }
}

/** Starts what all test files share, before the first; the returned function ends it after the last one. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const postgres = await startPostgres();
  project.provide('postgres', postgres.url);
  return () => postgres.close();
}
