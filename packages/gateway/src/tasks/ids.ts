import { v7 } from 'uuid';

/** A new task id: `video_` and a UUIDv7 without dashes, so that ids sort by time and inserts stay local in the index. */
export const newTaskId = (): string => `video_${newId()}`;

/** A UUIDv7 as 32 lowercase hex digits. */
export const newId = (): string => v7().replaceAll('-', '');

/** Whether `id` is spelled like a task id. Anything else cannot exist and is never looked up. */
export const isTaskId = (id: string): boolean => /^video_[0-9a-f]{32}$/.test(id);
