import { describe, expect, it } from 'vitest';
import { catalogueProblems } from '../../../src/catalogue/catalogue.ts';
import { readConfig } from '../../../src/config/config.ts';
import { modelsOf, readProvider } from '../../../src/providers/declared/load.ts';

const FILE = `provider: toy
title: Toy
base_url: https://toy.example
credentials:
  api_key: {}
auth: { kind: bearer, token: api_key }
submit:
  path: /jobs
  json:
    prompt: =prompt
poll: { path: '/jobs/{id}' }
job:
  id: =id
  status: =state
  statuses: { done: succeeded }
  result: { url: =video }
limits: { in_flight: 1, submits_per_minute: 60, polls_per_second: 5, min_poll_interval_ms: 100 }
`;

const MODELS = `models:
  toy-1: &toy
    title: Toy 1
    family: toy
    released: '2026-11-01'
    upstreamModel: toy-1
    delivery: url
    promptMaxLength: 2000
    parameters:
      duration: { kind: range, min: 2, max: 10, default: 5 }
      resolution: { kind: choice, allowed: [720p, 1080p], default: 720p }
      aspectRatio: { kind: choice, allowed: ['16:9', '9:16'], default: '16:9' }
      seed: { kind: range, min: 0, max: 10 }
      image: { kind: image }
    price: { currency: USD, rates: [{ microsPerSecond: 5 }], billing: Per second. }
    typical: { medianSeconds: 60, p90Seconds: 180 }
    cancel: running
`;

const OPTIONS = /line 9: submit\.options: can only be merged into a json that is a mapping/;

describe('a file', () => {
  it('is valid with the least that it needs', () => {
    expect(readProvider('toy.yaml', FILE).problems).toEqual([]);
  });

  it.each([
    [
      'prompt: =prompt',
      'prompt: =promt',
      'line 10: submit.json.prompt: =promt: there is no promt here; did you mean prompt?',
    ],
    ['prompt: =prompt', 'prompt: "=$$("', /line 10: submit\.json\.prompt: is not a JSONata expression: /],
    ['/jobs/{id}', '/jobs/{task}', /line 11: poll\.path\.parts\.1: =task: there is no task here/],
    [
      '/jobs/{id}',
      'jobs/{id}',
      'line 11: poll.path: must be a path that begins with /, without a query, which has its own member',
    ],
    ['status: =state', 'status: state', 'line 14: job.status: must be an expression, which begins with ='],
    ['succeeded }', 'success }', /line 15: job\.statuses\.done: must be queued, in_progress/],
    ['url: =video', 'link: =video', 'line 16: job.result: must have url, base64, download, or call and url'],
    [
      'token: api_key',
      'token: key',
      'line 6: auth.token: names the credential key, which credentials does not have',
    ],
    ['api_key: {}', 'api_key: {}\n  spare: {}', 'line 6: credentials.spare: is not used by auth or callback'],
    [
      'submit:',
      'upload: { path: /files, multipart: { file: =file }, uploaded: =id, example: { id: 1 } }\nsubmit:',
      'line 7: upload: is in vain, because submit reads no =image.uploaded',
    ],
    [
      'prompt: =prompt',
      'prompt: =prompt\n    image: =image.uploaded',
      'line 7: submit: reads .uploaded, which only upload gives to an image',
    ],
    [
      'prompt: =prompt',
      'prompt: =prompt\n    from: =source_video_id',
      'line 7: submit: reads =source_video_id, which only job.video_id tells',
    ],
    [
      'id: =id',
      'id: =id\n  video_id: =video.id',
      'line 14: job.video_id: is in vain, because submit reads no =source_video_id',
    ],
    ['  id: =id', '  id: uid', /line 13: job\.id: must read the id from the answer/],
    [
      'limits:',
      'errors: { table: [{ code: a, code_matches: b, reason: quota_exhausted }] }\nlimits:',
      /errors\.table\.0: must have code or code_matches, not both/,
    ],
    [
      'limits:',
      "errors: { table: [{ message_matches: '(a)\\1', reason: quota_exhausted }] }\nlimits:",
      /line 17: errors\.table\.0\.message_matches: is not a regular expression of RE2, which has no backreferences/,
    ],
    [
      'status: =state',
      'status: =$match(state, /(?<=a)b/)',
      /line 14: job\.status: has what is not a regular expression of RE2, which has no backreferences and no lookaround/,
    ],
    ['title: Toy', 'titel: Toy', /line 1: there is no "titel" here; did you mean title\?/],
    ['in_flight: 1', 'in_flight: 0', /limits\.in_flight: must be/],
    [
      'path: /jobs\n',
      'path: /jobs\n  multipart: { a: b }\n',
      /submit\.multipart: must not be there together with json/,
    ],
    [
      'poll:',
      'find: { list: { path: /jobs, jobs: items } }\npoll:',
      /line 11: find\.list: must have marker or prompt/,
    ],
    [
      'poll:',
      'find: { list: { path: /jobs, jobs: items, marker: =tag } }\npoll:',
      /line 11: find\.list: a job cannot be known by its key, because submit does not send =key/,
    ],
    [
      'poll:',
      "find: { by_key: { path: '/jobs/{key}' } }\npoll:",
      /line 11: find\.by_key: a job cannot be known by its key, because submit does not send =key/,
    ],
    [
      'prompt: =prompt\n',
      'tag: =key\nfind: { by_key: { path: /jobs/last } }\n',
      /line 11: find\.by_key: must read =key, or any job would be taken for the lost one/,
    ],
    ['done: succeeded', 'done: failed', /line 15: job\.statuses: must have a word that means succeeded/],
    ['json:\n    prompt', 'options: [a]\n  multipart:\n    prompt', OPTIONS],
    ['json:\n    prompt: =prompt', 'options: [a]\n  json: "=[prompt]"', OPTIONS],
    ['json:\n    prompt: =prompt', 'options: [a]\n  json: [=prompt]', OPTIONS],
    ['path: /jobs\n', 'path: /jobs\n  method: GET\n', /line 9: submit\.method: must be POST, PUT or PATCH/],
    ['limits:', 'models: { toy-1: { title: Toy 1 } }\nlimits:', /line 17: models\.toy-1\.family: /],
    [
      'limits:',
      'errors: { table: [{ code: 1, reason: bad }] }\nlimits:',
      /line 17: errors\.table\.0\.reason: must be a reason of/,
    ],
  ])('that has %j as %j is reported with its line and member', (right, wrong, told) => {
    const { problems } = readProvider('toy.yaml', FILE.replace(right, wrong));
    expect(problems.map((problem) => problem.replace(/^toy\.yaml, /, ''))).toEqual(
      expect.arrayContaining([typeof told === 'string' ? told : expect.stringMatching(told)]),
    );
  });

  const sent = (...members: string[]) =>
    FILE.replace('prompt: =prompt', () => ['prompt: =prompt', ...members].join('\n    '));
  const problemsOf = (file: string, models = MODELS) => readProvider('toy.yaml', file + models).problems;

  it('says of each parameter that no request would tell', () => {
    expect(problemsOf(sent('size: "=width & height"'))).toEqual([
      'toy.yaml, line 28: models.toy-1.parameters.duration: is never sent, because submit does not read =duration; send it, or remove it here',
      'toy.yaml, line 32: models.toy-1.parameters.image: is never sent, because submit does not read =image; send it, or remove it here',
      'toy.yaml, line 31: models.toy-1.parameters.seed: is never sent, because submit does not read =seed; send it, or remove it here',
    ]);
    expect(problemsOf(sent('all: "=[duration, seed, image]"'))).toEqual([
      expect.stringContaining('models.toy-1.parameters.resolution: is never sent'),
      expect.stringContaining('models.toy-1.parameters.aspectRatio: is never sent'),
    ]);
  });

  it.each([
    'all: "=[duration, seed, image, resolution, aspect_ratio]"',
    'all: "=[$.duration, $$.seed, [image].{ \'w\': $$.width }]"',
    'all: "=$map([1], function($n) { [duration, seed, image, height] })"',
  ])('is valid if it sends them by %s', (member) => {
    expect(problemsOf(sent(member))).toEqual([]);
  });

  it.each([
    ['[{ type: image, max: 3 }]', 'reference_images', []],
    ['[{ type: image, role: style, max: 3 }]', 'references', []],
    ['[{ type: image, max: 3 }, { type: audio, max: 1 }]', 'reference_images', ['references']],
  ])('with references %s may send =%s', (takes, name, lost) => {
    const models = MODELS.replace(
      'image: { kind: image }',
      `references: { kind: references, takes: ${takes} }`,
    );
    expect(problemsOf(sent(`all: "=[duration, seed, width, ${name}]"`), models)).toEqual(
      lost.map((one) => expect.stringContaining(`parameters.${one}: is never sent`)),
    );
  });

  it('need not send a parameter that has one value', () => {
    const models = MODELS.replace('[720p, 1080p]', '[720p]')
      .replace("['16:9', '9:16']", "['16:9']")
      .replace('min: 2, max: 10', 'min: 5, max: 5');
    expect(problemsOf(sent('all: "=[seed, image]"'), models)).toEqual([]);
  });

  it('must send the prompt, and the model if there are several', () => {
    const all = 'all: "=[duration, seed, image, width]"';
    const two = `${MODELS}  toy-2: { <<: *toy, upstreamModel: toy-2 }\n`;
    expect(problemsOf(sent(all), two)).toEqual([
      'toy.yaml, line 7: submit: must read =model, or all requests would ask for the same',
    ]);
    expect(problemsOf(sent(all, 'model: =model'), two)).toEqual([]);
    expect(problemsOf(sent(all).replace('prompt: =prompt', 'prompt: a boat'))).toEqual([
      'toy.yaml, line 7: submit: must read =prompt, or all requests would ask for the same',
    ]);
  });

  it('cannot take the id of a model of another provider', () => {
    const entries = (provider: string, id: string) =>
      readProvider(
        'toy.yaml',
        sent('all: "=[duration, seed, image, width]"').replace('provider: toy', `provider: ${provider}`) +
          MODELS.replace('toy-1:', `${id}:`),
      ).files.flatMap(modelsOf);
    expect(catalogueProblems({}, [], entries('toy', 'sora-2'))).toEqual([
      'models.sora-2: the file of toy gives it an id that is a model of openai; choose another id there',
    ]);
    expect(catalogueProblems({}, [], [...entries('toy', 'own'), ...entries('other', 'own')])).toEqual([
      'models.own: the file of other gives it an id that is a model of toy; choose another id there',
    ]);
    expect(catalogueProblems({}, [], entries('toy', 'own'))).toEqual([]);
  });

  it('that polls many jobs cannot have ids that depend on what was requested', () => {
    const text = FILE.replace('id: =id', 'id: { kind: =$request.model, task: =id }').replace(
      'limits:',
      'many: { path: /jobs, jobs: items, most: 2 }\nlimits:',
    );
    expect(readProvider('toy.yaml', text).problems).toEqual([
      'toy.yaml, line 13: job.id: must not read $request, because the answers of many do not have it',
    ]);
  });

  it.each([
    ['a mapping that contains itself', 'title: &toy\n  a: *toy\n', 'line 2: *toy is a part of itself'],
    ['a list that contains itself', 'sources: &toy\n  - - *toy\n', 'line 2: *toy is a part of itself'],
    ['an alias without an anchor', 'title: Toy\nsources: [*toy]\n', 'line 2: there is no &toy before *toy'],
  ])('with %s is reported with the line', (_what, yaml, told) => {
    expect(readProvider('toy.yaml', yaml).problems).toEqual([`toy.yaml, ${told}.`]);
  });

  it('is reported once for an error of its syntax, from which others follow', () => {
    expect(readProvider('toy.yaml', 'a: b: c\nd: [').problems).toHaveLength(1);
  });
});

describe('a declaration in onetake.yaml', () => {
  const inline = (name: string, members = FILE.replace('provider: toy\n', '')) =>
    `providers:\n  ${name}:\n${members.replace(/^/gm, '    ')}\naccounts:\n  main: { provider: ${name}, api_key: { env: K } }\n`;
  const read = (file: string) =>
    readConfig({ K: 'key' }, (path) => (path === 'onetake.yaml' ? file : undefined));

  it('makes a provider that accounts can name', () => {
    expect(read(inline('toy')).accounts.map(({ id, definition }) => [id, definition.id])).toEqual([
      ['main', 'toy'],
    ]);
  });

  it('is reported with its line', () => {
    expect(() =>
      read(inline('toy', FILE.replace('provider: toy\n', '').replace('=prompt', '=promt'))),
    ).toThrow(/onetake\.yaml, line 11: providers\.toy\.submit\.json\.prompt: =promt: there is no promt here/);
  });

  it.each(['openai', 'ai-sdk', 'fal', 'preview'])('cannot have the name %s', (name) => {
    expect(() => read(inline(name))).toThrow(`providers: ${name} is a provider of the gateway itself`);
  });

  it('is checked against the models that are added or changed under models', () => {
    const problems = (models: string) => {
      try {
        read(
          `${inline(
            'toy',
            `${FILE.replace('provider: toy\n', '')}${MODELS.replace(/^ {6}(seed|image|duration).*\n/gm, '')
              .replace(
                'parameters:',
                'parameters:\n      duration: { kind: numbers, allowed: [5], default: 5 }',
              )
              .replace('[720p, 1080p]', '[720p]')
              .replace("['16:9', '9:16']", "['16:9']")}`,
          )}models:\n${models}`,
        );
        return undefined;
      } catch (error) {
        return String(error);
      }
    };
    expect(problems('  toy-1: { title: Other }\n')).toBeUndefined();
    expect(problems('  toy-1: { parameters: { seed: { kind: range, min: 0, max: 9 } } }\n')).toContain(
      'models.toy-1.parameters.seed: is never sent, because submit of the file of toy does not read =seed; send it there, or remove it here',
    );
    expect(
      problems(
        '  toy-1: { upstreamModels: [{ when: { parameter: image, given: true }, upstreamModel: b }] }\n',
      ),
    ).toContain(
      'models.toy-1: submit of the file of toy must read =model, or all requests would ask for the same',
    );
  });

  it('replaces the file of the same name that comes with the gateway', () => {
    expect(() =>
      read(inline('kling', FILE.replace('provider: toy\n', '').replace('=prompt', '=promt'))),
    ).toThrow(/there is no promt/);
    expect(read(inline('kling')).declaredModels).not.toContainEqual(
      expect.objectContaining({ id: 'kling-v3' }),
    );
  });
});
