import { describe, expect, it } from 'vitest';
import { BACKUP, isMarked, MOVED, markFolder, unmarkFolder } from '../../../src/store/folder/marks.ts';
import { recordDiskSteps } from '../../support/diskSteps.ts';
import { tempFolder } from '../../support/tempFolder.ts';

describe.each([MOVED, BACKUP] as const)('the mark %s', (mark) => {
  it('is on the disk, with its text and its name, when the call returns', async () => {
    const dir = await tempFolder();
    const steps = recordDiskSteps(dir);
    markFolder(dir, mark, 'why');
    expect(steps).toEqual([`write ${mark}`, `sync ${mark}`, 'sync .']);
    expect(isMarked(dir, mark)).toBe(true);
  });

  it('is gone from the disk when the call that removes it returns', async () => {
    const dir = await tempFolder();
    markFolder(dir, mark, 'why');
    const steps = recordDiskSteps(dir);
    unmarkFolder(dir, mark);
    expect(steps).toEqual([`rm ${mark}`, 'sync .']);
    expect(isMarked(dir, mark)).toBe(false);
  });
});
