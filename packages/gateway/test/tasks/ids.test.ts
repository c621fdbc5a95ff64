import { describe, expect, it } from 'vitest';
import { isTaskId, newId, newTaskId } from '../../src/tasks/ids.ts';

describe('ids', () => {
  it('sort in the order of creation and never repeat', () => {
    const ids = Array.from({ length: 10_000 }, newTaskId);
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('are recognised, and other strings are not', () => {
    expect(isTaskId(newTaskId())).toBe(true);
    for (const id of [
      '',
      newId(),
      `video_${newId()}x`,
      `x${newTaskId()}`,
      `video_${newId().toUpperCase()}`,
      `${newTaskId()}\n`,
    ]) {
      expect(isTaskId(id), JSON.stringify(id)).toBe(false);
    }
  });
});
