import type { NewTask } from '../../src/engine/acceptance.ts';
import type { KeyRow } from '../../src/store/projects.ts';
import type { Acceptance, MediaRow } from '../../src/store/store.ts';
import { newId, newTaskId } from '../../src/tasks/ids.ts';
import type { InputRef, Reference, VideoRequest } from '../../src/tasks/request.ts';
import type { Price, Task } from '../../src/tasks/task.ts';

/** The time at which test worlds begin, milliseconds UTC. */
export const START_OF_TIME = 1_790_000_000_000;

export const PRICE: Price = { currency: 'USD', microsPerSecond: 100_000, holdMicros: 400_000 };

export function aRequest(changes: Partial<VideoRequest> = {}): VideoRequest {
  return {
    model: 'test-model',
    prompt: 'a paper boat',
    duration: 4,
    resolution: '720p',
    aspectRatio: '16:9',
    width: 1280,
    height: 720,
    ...changes,
  };
}

/** A task as the engine accepts it. */
/** References to images without a role. */
export const imageReferences = (...inputs: readonly InputRef[]): readonly Reference[] =>
  inputs.map((input) => ({ type: 'image', input }));

export function aTask(changes: Partial<Task> = {}): Task {
  return {
    id: newTaskId(),
    projectId: 'project',
    keyId: 'key',
    request: aRequest(),
    phase: 'accepted',
    version: 1,
    owner: 'node',
    createdAt: START_OF_TIME,
    deadlineAt: START_OF_TIME + 3_600_000,
    price: PRICE,
    ...changes,
  };
}

export function anAcceptance(task: Task, changes: Partial<Acceptance> = {}): Acceptance {
  return { task, ledger: [{ kind: 'hold', amountMicros: task.price.holdMicros }], media: [], ...changes };
}

/** What the API passes to the engine. */
export function aNewTask(changes: Partial<NewTask> = {}): NewTask {
  return { projectId: 'project', keyId: 'key', request: aRequest(), price: PRICE, media: [], ...changes };
}

export function aMediaRow(changes: Partial<MediaRow> = {}): MediaRow {
  const id = newId();
  return {
    id,
    projectId: 'project',
    kind: 'video',
    storageKey: `video/${id}.mp4`,
    contentType: 'video/mp4',
    state: 'present',
    createdAt: START_OF_TIME,
    ...changes,
  };
}

export function aKey(changes: Partial<KeyRow> = {}): KeyRow {
  const id = newId();
  return {
    id,
    projectId: 'project',
    name: 'a key',
    prefix: 'sk-1234',
    hash: id.padEnd(64, '0'),
    scopes: ['generate'],
    createdAt: START_OF_TIME,
    ...changes,
  };
}
