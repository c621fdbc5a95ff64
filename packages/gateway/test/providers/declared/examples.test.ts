import { describe, expect, it } from 'vitest';
import { rehearse } from '../../../src/cli/operator/rehearsal.ts';
import { createLog } from '../../../src/observability/log.ts';
import { SHIPPED } from '../../../src/providers/declared/load.ts';

describe.each(SHIPPED.map((file) => [file.provider, file] as const))('the file of %s', (_name, file) => {
  it('sends a request for every model, and reads the answers of its examples as they expect', async () => {
    const { samples, examples } = await rehearse(file, createLog('silent'));
    expect(samples.length).toBeGreaterThanOrEqual(Object.keys(file.models).length);
    expect(samples.filter(({ problem }) => problem !== undefined)).toEqual([]);
    expect(examples.length).toBeGreaterThan(0);
    expect(
      examples.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`)),
    ).toEqual([]);
  });

  it('takes no provider_options that raise the price beyond what is held', () => {
    const costly = ['voice_list', 'outputFormat', 'mode', 'sound', 'duration', 'ratio', 'resolution', 'n'];
    expect(file.submit.options.filter((option) => costly.includes(option))).toEqual([]);
  });

  it('has an example of a job that ends well and of one that does not, and names its documents', () => {
    const states = file.examples.map(({ expect: { state } }) => state);
    expect(states).toEqual(expect.arrayContaining(['queued', 'in_progress', 'succeeded', 'failed', 'error']));
    const clauses = (['many', 'cancel', 'find'] as const).filter((clause) => file[clause]);
    expect(clauses.filter((clause) => !file.examples.some((one) => one[clause] !== undefined))).toEqual([]);
    expect(file.sources.length).toBeGreaterThan(0);
  });
});
