// Ends what is left when the harness dies, however it dies: each node is the leader of a process group of its own, which no
// terminal reaches.
import { serveParent } from '../rpc.ts';

const groups = new Set<number>();

const calls = {
  watch: (pid: number): void => void groups.add(pid),
  forget: (pid: number): void => void groups.delete(pid),
};
export type GuardCalls = typeof calls;

serveParent(calls, async () => {
  for (const pid of groups) {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
});
