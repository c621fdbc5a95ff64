import { DatabaseError } from 'pg';
import { describe, expect, it } from 'vitest';
import { knownSqlstates } from '../../../../../scripts/servers/postgres.ts';
import { StoreRefused, StoreUnavailable } from '../../../src/store/errors.ts';
import { asStoreError } from '../../../src/store/postgres/errors.ts';
import { classify, isClassified } from '../../../src/store/postgres/sqlstates.ts';

const errorOf = (code: string) => Object.assign(new DatabaseError('words', 5, 'error'), { code });

describe('SQLSTATE', () => {
  it('is classified for every kind that PostgreSQL knows', async () => {
    const codes = await knownSqlstates();
    expect(codes.length).toBeGreaterThan(250);
    expect(codes.filter((code) => !isClassified(code))).toEqual([]);
    expect(
      codes.filter((code) => !['unavailable', 'refused', 'conflict'].includes(classify(code).verdict)),
    ).toEqual([]);
  });

  it('is answered with 503 and Retry-After, except for errors of the values', async () => {
    for (const code of await knownSqlstates()) {
      const error = asStoreError(errorOf(code));
      if (/^(?:21|22|23|44|54)/.test(code)) expect(error, code).toBeInstanceOf(StoreRefused);
      else {
        expect(error, code).toBeInstanceOf(StoreUnavailable);
        expect(error, code).toMatchObject({
          status: 503,
          code: 'store_unavailable',
          details: { retryAfterSeconds: expect.any(Number) },
        });
      }
    }
  });

  it('that is unknown ends no task, and its connection is not used again', () => {
    expect(classify('ZZ123')).toEqual({ verdict: 'unavailable', drop: true });
  });

  it.each(['08006', '25006', '57P01', '0A000', '26000', '3D000', 'XX000', '25P02'])(
    '%s ends its connection',
    (code) => {
      expect(classify(code).drop).toBe(true);
    },
  );

  it.each(['22021', '22P05', '22001', '23505', '40001', '42501', '53100'])(
    '%s keeps its connection',
    (code) => {
      expect(classify(code).drop).toBeUndefined();
    },
  );
});
