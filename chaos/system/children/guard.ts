// Cleans up when the harness dies, however it dies: each node leads a process group of its own, which no terminal
// signal reaches, and a mounted disk outlives all processes.
import { serveParent } from '../../shared/rpc.ts';
import { unmount } from '../smallDisk.ts';

const groups = new Set<number>();
const disks = new Set<string>();

const calls = {
  watch: (pid: number): void => void groups.add(pid),
  forget: (pid: number): void => void groups.delete(pid),
  watchDisk: (path: string): void => void disks.add(path),
  forgetDisk: (path: string): void => void disks.delete(path),
};
export type GuardCalls = typeof calls;

serveParent(calls, async () => {
  for (const pid of groups) {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It has already ended.
    }
  }
  for (const path of disks) await unmount(path).catch(() => undefined);
});
