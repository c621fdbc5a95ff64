import type { Migration } from 'kysely/migration';
import { up as initial } from './0001_initial.ts';

/** Every migration, in order. Append only: one that has shipped is never edited. */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001_initial': { up: initial },
};
