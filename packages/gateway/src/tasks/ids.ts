import { v7 } from 'uuid';

/** A new task id: `video_` and a UUIDv7 without dashes. Ids sort by time, which also keeps inserts local in the index. */
export const newTaskId = (): string => `video_${newId()}`;

/** A UUIDv7 as 32 lowercase hex digits. */
export const newId = (): string => v7().replaceAll('-', '');

/** Whether `id` has the form of a task id. Other ids are never looked up. */
export const isTaskId = (id: string): boolean => /^video_[0-9a-f]{32}$/.test(id);
