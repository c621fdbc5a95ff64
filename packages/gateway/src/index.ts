/** The only door into this package: what `scripts/`, `bench/` and `chaos/` may import. Whoever runs a gateway uses the `onetake` command. */

export { asksFor, type Options, readOptions, readWords, withoutNpm } from './cli/arguments.ts';
export { readConfig } from './config.ts';
// The engine on a store and an upstream of the caller's, for `npm run bench:cluster`.
export { createEngine, type Engine, type NewTask } from './engine/engine.ts';
export { createFeed, type Feed } from './engine/feed.ts';
export type { VideoInspector } from './engine/parts.ts';
export { typicalTimeScheduler } from './engine/pollScheduler.ts';
export { createTimers } from './engine/timers.ts';
export { startGateway } from './main.ts';
export type { MediaStorage } from './media/media.ts';
export { probeVideo } from './media/probe.ts';
export { createCatalogue } from './models/catalogue.ts';
export { modelsDocument } from './models/modelsDocument.ts';
export { NativeJobError } from './native/errors.ts';
export { createNativePool } from './native/pool.ts';
export { createLog } from './observability/log.ts';
export { ABILITIES } from './providers/kinds.ts';
export type { Abilities, Answer, Handle, Provider } from './providers/provider.ts';
export { SETTINGS, type Setting } from './settings.ts';
export { openPostgresStore } from './store/postgres.ts';
export { joinCluster } from './store/postgresCluster.ts';
export type { Store } from './store/store.ts';
export { systemClock } from './tasks/clock.ts';
export { newId, newTaskId } from './tasks/ids.ts';
export { type Event, move } from './tasks/lifecycle.ts';
export type { Task } from './tasks/task.ts';
export { VERSION } from './version.ts';
