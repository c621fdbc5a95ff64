import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { rehearse } from '../../../src/cli/operator/rehearsal.ts';
import { createLog } from '../../../src/observability/log.ts';
import { REQUEST_NAMES } from '../../../src/providers/declared/contradictions.ts';
import { readProvider } from '../../../src/providers/declared/load.ts';
import { ProviderFile } from '../../../src/providers/declared/schema.ts';
import { REASONS } from '../../../src/tasks/reasons.ts';

const PAGE = readFileSync(
  new URL('../../../../../docs/providers/declare-your-own.md', import.meta.url),
  'utf8',
);
const [, example = ''] = /<!-- example -->\n```yaml\n([\s\S]*?)```\n<!-- \/example -->/.exec(PAGE) ?? [];

describe('the page about files', () => {
  it('has an example that is valid and does what it expects', async () => {
    const { files, problems } = readProvider('acme.yaml', example);
    expect(problems).toEqual([]);
    const [file] = files;
    if (!file) throw new Error('no file');
    const { samples, examples } = await rehearse(file, createLog('silent'));
    expect(samples.map(({ about, problem }) => [about, problem])).toEqual([
      ['acme-1, from a text', undefined],
      ['acme-1, from an image', undefined],
    ]);
    expect(samples[1]?.sent).toMatchObject({
      headers: { authorization: 'Key <api_key>' },
      body: { size: '1280x720', first_frame: expect.stringMatching(/^data:image\/png;base64,/) },
    });
    expect(examples).toHaveLength(4);
    expect(examples.flatMap((one) => one.problems)).toEqual([]);
  });

  it('names every clause, every name of a request and every reason', () => {
    const missing = [...Object.keys(ProviderFile.shape), ...REQUEST_NAMES, ...Object.keys(REASONS)].filter(
      (name) => !PAGE.includes(`\`${name}`),
    );
    expect(missing).toEqual([]);
  });
});
