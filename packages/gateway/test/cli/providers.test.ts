import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { onetake } from '../support/processes/commandLine.ts';
import { tempFolder } from '../support/tempFolder.ts';

const KLING = new URL('../../src/providers/declared/files/kling.yaml', import.meta.url);

describe('onetake providers test', () => {
  it('shows what is sent for each model, runs the examples, and says what cannot be done', async () => {
    const { code, stdout } = await onetake({}, 'providers', 'test', KLING.pathname);
    expect(stdout).toMatch(/^kling \(Kling AI\): 4 models, 11 of 11 examples as expected$/m);
    expect(stdout).toMatch(/^ {2}POST \/v1\/videos\/image2video$/m);
    expect(stdout).toMatch(/^- cancel: a job that is cancelled goes on at the provider/m);
    expect(stdout).not.toMatch(/problem/);
    expect(code).toBe(0);
  });

  it('fails if an example is not as it expects, or the file is not valid', async () => {
    const path = join(await tempFolder(), 'kling.yaml');
    const text = await readFile(KLING, 'utf8');
    await writeFile(path, text.replace('state: missing', 'state: failed'));
    const unlike = await onetake({}, 'providers', 'test', path);
    expect(unlike).toMatchObject({ code: 1 });
    expect(unlike.stdout).toContain(
      'problem  example "an unknown task": state is "missing", expected "failed"',
    );
    await writeFile(path, text.replace('? model', '? modle'));
    const wrong = await onetake({}, 'providers', 'test', path);
    expect(wrong).toMatchObject({ code: 1 });
    expect(wrong.stdout).toMatch(
      /problem {2}.*kling\.yaml, line \d+: submit\.json\.model_name: =.* there is no modle here; did you mean model\?/,
    );
  });

  it.each([
    [['providers'], /Say what to do with providers: test/],
    [['providers', 'test'], /Name one file/],
    [['providers', 'test', '/no/such/file.yaml'], /cannot be read/],
  ])('explains %j', async (args, told) => {
    const { code, stderr } = await onetake({}, ...args);
    expect(stderr).toMatch(told);
    expect(code).toBe(2);
  });

  it('has its files read by every other command, from the folder beside onetake.yaml', async () => {
    const folder = await tempFolder();
    await mkdir(join(folder, 'providers'));
    await writeFile(join(folder, 'onetake.yaml'), '');
    await writeFile(join(folder, 'providers', 'mine.yaml'), 'provider: mine\n');
    const { code, stderr } = await onetake(
      { ONETAKE_CONFIG: join(folder, 'onetake.yaml') },
      'migrate',
      '--check',
    );
    expect(stderr).toMatch(/providers\/mine\.yaml, line 1: title: is missing/);
    expect(code).toBe(2);
  });
});
