import { describe, expect, it } from 'vitest';
import {
  ATTEMPTS,
  assign,
  attemptToRow,
  JOIN_ATTEMPT,
  KEYS,
  keyFromRow,
  keyToRow,
  LEDGER,
  listOf,
  MEDIA,
  mediaFromRow,
  mediaToRow,
  requestFrom,
  TASK_WITH_ATTEMPT,
  TASKS,
  type TaskWithAttempt,
  taskFromRow,
  taskToRow,
  typesOf,
  UNFINISHED,
} from '../../src/store/tables.ts';
import { taskError } from '../../src/tasks/reasons.ts';
import type { Attempt, Task } from '../../src/tasks/task.ts';
import { aKey, aMediaRow, aTask, imageReferences } from '../support/builders.ts';

const ATTEMPT: Attempt = {
  number: 2,
  accountId: 'a',
  idempotencyKey: 'i',
  upstreamModel: 'm',
  intendedAt: 7,
};
const ATTEMPT_ENDED: Attempt = {
  ...ATTEMPT,
  intendedThereAt: 8,
  upstreamId: 'u',
  submittedAt: 9,
  endedAt: 10,
  outcome: 'late',
  detail: 'words',
  upstreamResult: { ref: 'there', expiresAt: 11 },
  placeUntil: 12,
};
const BEGUN: Task = aTask({ id: 'video_1', phase: 'running', version: 3 });
const ENDED: Task = {
  ...BEGUN,
  phase: 'succeeded',
  startedAt: 1,
  completedAt: 2,
  cancelRequestedAt: 3,
  deletedAt: 4,
  result: {
    videoId: 'v',
    bytes: 1,
    sha256: 's',
    duration: 2,
    width: 3,
    height: 4,
    videoCodec: 'h264',
    expiresAt: 5,
    costMicros: 6,
  },
  error: taskError('expired', 'too late'),
};

/** A task's row joined with that of its attempt. */
const joined = (task: Task, attempt?: Attempt): TaskWithAttempt => {
  const columns = Object.keys(ATTEMPTS);
  const row: Record<string, unknown> = attempt ? { ...attemptToRow(task.id, attempt) } : {};
  return {
    ...taskToRow(attempt ? { ...task, attempt } : task),
    ...Object.fromEntries(columns.map((name) => [`a_${name}`, row[name] ?? null])),
  } as TaskWithAttempt;
};

/** `place_until` after a change: set with the outcome, and only lowered later. */
const LOWERED = `case when attempts.outcome is null or excluded.place_until < attempts.place_until
        then excluded.place_until else attempts.place_until end`;

describe('a request that an earlier version stored', () => {
  it('has its reference images among its references', () => {
    const image = { mediaId: 'm', contentType: 'image/png', bytes: 1, width: 2, height: 3 };
    const { request } = aTask();
    const stored = JSON.stringify({ ...request, referenceImages: [image, image] });
    const read = { ...request, references: imageReferences(image, image) };
    expect(requestFrom(stored)).toEqual(read);
    expect(taskFromRow({ ...joined(aTask()), request: stored }).request).toEqual(read);
    expect(requestFrom(JSON.stringify(read))).toEqual(read);
  });
});

describe('the columns of a table', () => {
  it.each<[string, object, string]>([
    [
      'tasks',
      TASKS,
      'id:text project_id:text key_id:text model:text request:text! phase:text! version:bigint! owner:text attempt:integer! ' +
        'created_at:bigint started_at:bigint! completed_at:bigint! deadline_at:bigint cancel_requested_at:bigint! price:text ' +
        'result:text! error:text! deleted_at:bigint!',
    ],
    [
      'attempts',
      ATTEMPTS,
      'task_id:text number:integer account_id:text server:text idempotency_key:text upstream_model:text find_version:text intended_at:bigint ' +
        'intended_there_at:bigint upstream_id:text! submitted_at:bigint! ended_at:bigint! outcome:text! detail:text! upstream_result:text! ' +
        'place_until:bigint!',
    ],
    [
      'media',
      MEDIA,
      'id:text project_id:text task_id:text! kind:text storage_key:text! content_type:text! state:text! bytes:bigint! sha256:text! ' +
        'created_at:bigint expires_at:bigint! name:text! purpose:text!',
    ],
    [
      'keys',
      KEYS,
      'id:text project_id:text name:text! prefix:text hash:text scopes:text! created_at:bigint expires_at:bigint! revoked_at:bigint ' +
        'models:text! limits:text! default_metadata:text! family:text replaced_by:text!',
    ],
    [
      'ledger',
      LEDGER,
      'task_id:text kind:text project_id:text key_id:text amount_micros:bigint currency:text created_at:bigint',
    ],
  ])(
    '%s are in statements as they are written down, with their types; ! marks those that a change writes',
    (_name, columns, expected) => {
      const all = expected.split(' ').map((column) => {
        const [, name = '', type = '', changes = ''] = /^(\w+):(\w+)(!?)$/.exec(column) ?? [];
        return { name, type, changes: changes !== '' };
      });
      const names = all.map(({ name }) => name);
      expect(listOf(columns)).toBe(names.join(', '));
      expect(listOf(columns, 't.')).toBe(names.map((name) => `t.${name}`).join(', '));
      expect(typesOf(columns as Parameters<typeof typesOf>[0])).toEqual(
        Object.fromEntries(all.map(({ name, type }) => [name, type])),
      );
      const changed = all
        .filter(({ changes }) => changes)
        .map(({ name }) => `${name} = ${name === 'place_until' ? LOWERED : `excluded.${name}`}`);
      expect(assign(columns as Parameters<typeof assign>[0], 'excluded.')).toBe(changed.join(', '));
    },
  );

  it('of a task come with those of its latest attempt', () => {
    expect(TASK_WITH_ATTEMPT).toBe(
      `${listOf(TASKS, 't.')}, ${Object.keys(ATTEMPTS)
        .map((name) => `a.${name} as a_${name}`)
        .join(', ')}`,
    );
    expect(JOIN_ATTEMPT).toBe('left join attempts a on a.task_id = t.id and a.number = t.attempt');
    expect(UNFINISHED).toBe("phase in ('accepted', 'submitting', 'running', 'storing')");
  });
});

describe('a row', () => {
  it('of a task has NULL for each missing member, and JSON for objects', () => {
    expect(taskToRow(BEGUN)).toEqual({
      id: 'video_1',
      project_id: 'project',
      key_id: 'key',
      model: 'test-model',
      request: JSON.stringify(BEGUN.request),
      phase: 'running',
      version: 3,
      owner: 'node',
      attempt: 0,
      created_at: BEGUN.createdAt,
      started_at: null,
      completed_at: null,
      deadline_at: BEGUN.deadlineAt,
      cancel_requested_at: null,
      price: JSON.stringify(BEGUN.price),
      result: null,
      error: null,
      deleted_at: null,
    });
    expect(taskToRow({ ...BEGUN, attempt: ATTEMPT }).attempt).toBe(2);
    expect(attemptToRow('video_1', ATTEMPT)).toEqual({
      task_id: 'video_1',
      number: 2,
      server: null,
      account_id: 'a',
      idempotency_key: 'i',
      upstream_model: 'm',
      find_version: null,
      intended_at: 7,
      intended_there_at: null,
      upstream_id: null,
      submitted_at: null,
      ended_at: null,
      outcome: null,
      detail: null,
      upstream_result: null,
      place_until: null,
    });
  });

  it.each([
    ['without an attempt', BEGUN, undefined],
    ['with its first steps', BEGUN, ATTEMPT],
    ['with everything', ENDED, ATTEMPT_ENDED],
  ])('of a task %s gives back that task', (_what, task, attempt) => {
    expect(taskFromRow(joined(task, attempt))).toStrictEqual(attempt ? { ...task, attempt } : task);
  });

  it('of media or a key gives back what it stores', () => {
    const media = [
      aMediaRow(),
      aMediaRow({ taskId: 't', bytes: 1, sha256: 's', expiresAt: 2, state: 'pending', kind: 'poster' }),
    ];
    for (const row of media) expect(mediaFromRow(mediaToRow(row))).toStrictEqual(row);
    const keys = [
      aKey(),
      aKey({ scopes: ['admin', 'generate'], expiresAt: 1, revokedAt: 2 }),
      aKey({ scopes: [] }),
    ];
    for (const key of keys) expect(keyFromRow(keyToRow(key))).toStrictEqual(key);
  });
});

describe('a row that cannot be read', () => {
  const whole = joined(ENDED, ATTEMPT_ENDED);

  it.each<[keyof TaskWithAttempt, unknown, string]>([
    ['id', null, 'id is not a string'],
    ['project_id', 1, 'project_id is not a string'],
    ['key_id', null, 'key_id is not a string'],
    ['version', '1', 'version is not a number'],
    ['created_at', null, 'created_at is not a number'],
    ['deadline_at', null, 'deadline_at is not a number'],
    ['started_at', 'x', 'started_at is not a number'],
    ['phase', 'gone', 'phase "gone" is not known'],
    ['request', null, 'request is not a string'],
    ['request', '[]', 'request is not a JSON object'],
    ['request', 'null', 'request is not a JSON object'],
    ['request', '1', 'request is not a JSON object'],
    ['request', '{"prompt":"p","duration":1}', 'request has no string "model"'],
    ['request', '{"model":"m","duration":1}', 'request has no string "prompt"'],
    ['request', '{"model":"m","prompt":"p","duration":"1"}', 'request has no number "duration"'],
    ['price', '{"microsPerSecond":1,"holdMicros":1}', 'price has no string "currency"'],
    ['price', '{"currency":"USD","holdMicros":1}', 'price has no number "microsPerSecond"'],
    ['price', '{"currency":"USD","microsPerSecond":1}', 'price has no number "holdMicros"'],
    ['result', '{"duration":1,"expiresAt":1,"costMicros":1}', 'result has no string "videoId"'],
    ['result', '{"videoId":"v","expiresAt":1,"costMicros":1}', 'result has no number "duration"'],
    ['result', '{"videoId":"v","duration":1,"costMicros":1}', 'result has no number "expiresAt"'],
    ['result', '{"videoId":"v","duration":1,"expiresAt":1}', 'result has no number "costMicros"'],
    ['error', '{"reason":"expired","message":"m"}', 'error has no number "code"'],
    ['error', '{"code":1,"message":"m"}', 'error has no string "reason"'],
    ['error', '{"code":1,"reason":"expired"}', 'error has no string "message"'],
    ['a_account_id', null, 'account_id is not a string'],
    ['a_number', 'one', 'number is not a number'],
    ['a_upstream_result', '{}', 'upstream_result has no string "ref"'],
  ])('since its %s is %j says so', (column, value, message) => {
    expect(() => taskFromRow({ ...whole, [column]: value } as TaskWithAttempt)).toThrow(
      new TypeError(message),
    );
  });

  it('since its JSON is broken says so', () => {
    expect(() => taskFromRow({ ...whole, request: '{broken' })).toThrow(SyntaxError);
    expect(() => requestFrom('{broken')).toThrow(SyntaxError);
    expect(() => requestFrom('{}')).toThrow(TypeError);
    expect(requestFrom(JSON.stringify(BEGUN.request))).toEqual(BEGUN.request);
  });

  it.each(['{}', '"generate"', 'null', '[1]', '["generate",1]'])(
    'since its scopes are %s says so',
    (scopes) => {
      expect(() => keyFromRow({ ...keyToRow(aKey()), scopes })).toThrow(
        'scopes is not a JSON array of strings',
      );
    },
  );

  it.each(['video/a.mp4', 'poster/a-b_c.jpg', 'x/1.y2'])('is none with the media key %s', (key) => {
    expect(mediaFromRow({ ...mediaToRow(aMediaRow()), storage_key: key }).storageKey).toBe(key);
  });

  it.each([
    '',
    'video',
    'video/a',
    'video/.mp4',
    'video/a.',
    '/a.mp4',
    'Video/a.mp4',
    'video/a/b.mp4',
    'video/../a.mp4',
    '../video/a.mp4',
    'video/a b.mp4',
    'video/a.mp4/',
    'video/a.m p',
    'video2/a.mp4',
  ])('since its media key is "%s" says so', (key) => {
    expect(() => mediaFromRow({ ...mediaToRow(aMediaRow()), storage_key: key })).toThrow('media key');
  });
});
