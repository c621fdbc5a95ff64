/** The public exports of this package, for `scripts/`, `bench/` and `chaos/`. To run a gateway, use the `onetake` command. */

export { createCatalogue } from './catalogue/catalogue.ts';
export { modelsDocument } from './catalogue/modelsDocument.ts';
// For `npm run demo -- --all`, which needs the simulators.
export { type DemoClient, described, freeFile } from './cli/demo/client.ts';
export { endWith, promptOf, showOne } from './cli/demo/demo.ts';
export { withGateway } from './cli/demo/gateway.ts';
export { withDemoOptions } from './cli/demo/options.ts';
export { catchInterruption, Interrupted, type Interruption } from './cli/interruption.ts';
export { newProgram, runProgram } from './cli/program.ts';
export { joinCluster } from './cluster/postgres/cluster.ts';
export { readConfig } from './config/config.ts';
export { SETTINGS, type Setting } from './config/settings.ts';
// For `npm run bench:cluster`, which runs the engine with its own store and upstream.
export type { NewTask } from './engine/acceptance.ts';
// For `npm run bench:cells`, which holds a million tasks with the parts that poll.
export { type ActiveTask, leaveUpstream, newActiveTask } from './engine/activeTask.ts';
export { createEngine, type Engine } from './engine/engine.ts';
export { createFeed, type Feed } from './engine/events/feed.ts';
export type { EngineParts, VideoInspector } from './engine/parts.ts';
export { createPoller } from './engine/stages/poller.ts';
export { createTracker } from './engine/tracking/tracker.ts';
export { startGateway } from './gateway.ts';
export { type AccountState, createAccountState } from './limits/account.ts';
export { pollRate } from './limits/limits.ts';
export { createLocalLimits } from './limits/local.ts';
// For `npm run bench:limits`, which moves the time of several nodes.
export { createSharedLimits } from './limits/shared.ts';
export { probeVideo } from './media/inspect/video.ts';
export type { MediaStorage } from './media/media.ts';
export { createNativePool } from './native/pool.ts';
export { createLog } from './observability/log.ts';
export { LOG_EVENTS } from './observability/logEvents.ts';
export { providerJson, SHIPPED_MODELS } from './providers/declared/load.ts';
export { ABILITIES } from './providers/definitions.ts';
export type { Abilities, Answer, Handle, Provider } from './providers/provider.ts';
export { openPostgresStore } from './store/postgres/store.ts';
export type { Store } from './store/store.ts';
export { newId, newTaskId } from './tasks/ids.ts';
export { type Event, move } from './tasks/lifecycle.ts';
export type { Task } from './tasks/task.ts';
export { momentAt, systemClock } from './time/clock.ts';
export { createTimers } from './time/timers.ts';
// For `npm run bench:polling`, which plays them in virtual time.
export { createCallbackReliability } from './tracking/callbackReliability.ts';
export { normalCdf } from './tracking/distribution.ts';
export type { Estimate } from './tracking/estimate.ts';
export { createEstimator, type Estimator } from './tracking/estimator.ts';
export type { Kind } from './tracking/kind.ts';
export type { Sample } from './tracking/learnt.ts';
export { nextPollMs } from './tracking/nextPoll.ts';
export { createPollPrice } from './tracking/pollPrice.ts';
export type { Prior } from './tracking/prior.ts';
export { type Job, remainingMs } from './tracking/remainingTime.ts';
export { VERSION } from './version.ts';
