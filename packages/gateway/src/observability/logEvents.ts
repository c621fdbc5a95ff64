/**
 * The `event` of each log line, and what it means. The text of a line may change between versions. These names do not, so alerts
 * can rely on them. `docs/operations.md` lists them; `npm run docs` writes that list.
 */
export const LOG_EVENTS = {
  'account.missing': 'A task needs an account that is not configured any more. Configure it again.',
  'account.open_failed': 'A member of a fleet that is not configured here cannot be opened to finish a job.',
  'account.reachable': 'The server of a fleet answers again.',
  'account.retry_failed': 'Cannot read which accounts an operator wants retried.',
  'account.serves_nothing':
    'An account serves no model. Its service has ended those of the catalogue, or it needs `models`.',
  'account.unreachable': 'The server of a fleet does not answer. It gets no tasks until it does.',
  'clock.believed': 'The wall clock stayed ahead for a day; it counts as right now.',
  'clock.stepped': 'The wall clock was set forward. Nothing is removed because of its age meanwhile.',
  'cluster.listener_failed': 'A handler of cluster messages threw. This is a bug.',
  'cluster.message_dropped': 'A message to other nodes was not sent. They read the database instead.',
  'cluster.message_unknown': 'A newer version sent a message that this one does not know.',
  'config.loopback_host':
    'Several nodes, and `ONETAKE_HOST` is a loopback address: only this machine reaches the node.',
  'config.no_public_url': 'Several nodes, and no `ONETAKE_PUBLIC_URL`: links lead to single nodes.',
  'config.needs_restart':
    'The settings file has changes that a running gateway does not take over. `changes` names them; the next start does.',
  'config.reload_failed':
    'The settings file was changed and is not valid, or is missing. The gateway goes on with what it has.',
  'config.reloaded': 'The settings file was changed; the members of fleets are as it says.',
  'config.variable_unused':
    'Environment variables of a provider are set and no account uses them. `variables` names them, and the text says what to write to use them.',
  'config.weak_secret':
    'Secrets of the configuration are words or have less than eight characters, so the log cannot blank them. `weak` counts them. Use random ones.',
  'download.failed': 'A download of a finished video failed; it is retried until its patience ends.',
  'download.restarted': 'A download could not be resumed and starts from the first byte.',
  'download.too_large': 'A video has more bytes than allowed; its task fails.',
  'events.read_failed': 'Cannot read the event log; retrying.',
  'gateway.drain_timed_out': 'The drain took longer than allowed. The next start resumes what is left.',
  'gateway.draining': 'The gateway stops accepting and finishes what it must not cut short.',
  'gateway.listening': 'The gateway serves.',
  'gateway.not_ready': '`/readyz` fails; `part` says why.',
  'gateway.stopped': 'The gateway has stopped.',
  'keys.first_unknown': 'Cannot tell whether there is an API key already, so none is made.',
  'lease.acquire_failed': 'Cannot join the cluster; retrying.',
  'lease.acquired': 'The node joined the cluster, under the name in `node`.',
  'lease.lost': 'The node lost its lease and drives nothing until it has joined again.',
  'limits.old_node':
    'Nodes of an older version run, which do not count the places of accounts. This node submits nothing until they have ended.',
  'limits.quota_recounted':
    'What a project or a key uses of its limits was counted wrongly, and is corrected.',
  'limits.read_failed': 'Cannot read how many places of accounts are free, or which nodes run; retrying.',
  'limits.recount_failed': 'Cannot count the places of accounts. They are counted again in five minutes.',
  'limits.recounted': 'The number of places of an account in use was wrong, and is corrected.',
  'limits.report_failed': 'Cannot store that an account failed or works again; retrying.',
  'limits.reserve_failed': 'Cannot ask the database for permits to call upstreams; retrying.',
  'mcp.failed': 'A request of an MCP client failed, or was not one.',
  'file.deleted': 'A caller deleted an uploaded file.',
  'file.uploaded': 'A caller uploaded a file.',
  'media.damaged': 'A stored file is damaged or missing. It is repaired where that is possible.',
  'media.lost': 'A stored file cannot be repaired.',
  'media.mark_failed': 'Cannot record that a stored file is damaged.',
  'media.read_failed': 'Cannot read a stored video; it is downloaded again.',
  'media.repair_failed': 'Repairing a stored file failed; it is tried again.',
  'media.repaired': 'A stored file is whole again.',
  'media.scrub_failed': 'A round of checking stored files failed; it is tried again.',
  'media.sign_failed': 'Cannot sign a link to the bucket; the link leads to the gateway.',
  'media.stored_wrong': 'The storage kept other bytes than were written; another key is used.',
  'media.unavailable': 'The media storage cannot be used at the start.',
  'media.unverified': 'A stored file could not be compared with its digest.',
  'native.child_exited': 'A child process that renders or checks media exited; its job is retried.',
  'ownership.adopted': 'The node adopted unfinished tasks of a node that is gone.',
  'ownership.check_failed': 'Checking for tasks without a driver failed; retrying.',
  'ownership.handed_over': 'The node stops and has transferred its tasks to others.',
  'ownership.handover_failed': 'Tasks could not be handed over; other nodes adopt them.',
  'ownership.rebalanced': 'The node transferred tasks to one that has fewer.',
  'ownership.transfer_unread':
    'Cannot read tasks that were transferred to this node; the next search finds them.',
  'poll.resumed': 'The node polls upstreams again.',
  'poll.stalled': 'The node itself has not been able to poll upstreams for two minutes.',
  'preview.cleanup_failed': 'Files of old jobs of the built-in renderer cannot be removed.',
  'preview.record_failed': 'Cannot record that a render failed; the job is rendered again at its next poll.',
  'preview.render_failed': 'The built-in renderer could not make a video.',
  'request.completed':
    'A request was answered. If it was refused, `reason` says why and `param` what of it is at fault, never its value. Of a submission that was accepted and not held, `task.accepted` says the same.',
  'request.download_aborted': 'Sending a video to a client was cut short.',
  'request.failed': 'A request was answered with a 500. This is a bug, or the store is away.',
  'request.refused': 'A request was refused by the HTTP parser.',
  'request.unavailable': 'A request was answered with a 503 that tells the client everything.',
  'retention.orphan_removed': 'An object that no row refers to was removed.',
  'retention.remove_failed': 'An object that is due cannot be removed; the sweep tries again.',
  'retention.removed': 'What is past its time was removed.',
  'retention.row_failed':
    'The rows of a task that ended long ago cannot be removed; the sweep tries again in an hour.',
  'retention.sweep_failed': 'A sweep failed; it is tried again.',
  'store.connection_lost': 'A connection to the database was lost.',
  'store.history_unchecked': 'Cannot compare the database with what it had confirmed; retrying.',
  'store.migration_waits': 'A migration waits for a lock; the line says who holds it.',
  'store.recovered': 'The store works again for all tasks whose transitions could not be written or read.',
  'store.row_unreadable': 'A stored row cannot be read and is set aside.',
  'store.schema_changed': 'The database schema was altered while the gateway ran; it reconnects.',
  'store.thread_died':
    'A thread of the embedded store has died. What it was writing fails with a 503, and it is started again.',
  'store.went_back': 'The database lost what it had confirmed. The node submits nothing more.',
  'task.accepted':
    'A task was accepted: the line of its request, with the key, the project, the model and what is held of its price, in millionths of `currency`.',
  'task.confirm_failed': 'Cannot record the upstream id of a task; retrying.',
  'task.confirmed_late': 'The upstream id of a task was recorded for the node that drives it now.',
  'task.driver_changed': 'Another node drives the task.',
  'task.driver_failed': 'Driving a task failed because of a bug. It is tried again after a pause.',
  'task.finished_late': 'The upstream finished a video after its task had expired, and may bill it.',
  'task.late_results_failed': 'Following expired tasks failed.',
  'task.listener_failed': 'A listener to the changes of a task threw. This is a bug.',
  'task.moved':
    'A transition of a task is durable; `transition` names it. With `account`, `attempt` and `upstreamId` as soon as they are known. Of `failed`, `reason` says why, and `detail` has the words of the upstream.',
  'task.read_failed':
    'Cannot read a task that another node changed; retrying. `failures` counts such failures of all tasks.',
  'task.resume_failed': 'A task cannot be resumed. It stays as it is until the next start.',
  'task.resumed':
    'The node drives a task that another one had, or that it had before its start: its `version` is one that no `task.moved` has. At `debug`.',
  'task.write_failed':
    'A transition cannot be stored. What must not be lost is retried; then `failures` counts the failures of all tasks since the store worked.',
  'tracking.store_failed': 'Cannot store or read how long jobs take; retrying.',
  'upstream.adopt_failed': 'The adapter could not resume a job that another node started.',
  'upstream.call_abandoned':
    'An adapter did not end a call in time, although it was aborted; `call` names it. This is a bug of the adapter.',
  'upstream.cancel_failed': 'An expired task could not be cancelled upstream.',
  'upstream.cancel_refused': 'The upstream did not cancel a job; its task goes on.',
  'upstream.discard_failed': 'The upstream did not delete a downloaded video.',
  'upstream.find_failed': 'Searching for a lost submission failed; retrying.',
  'upstream.id_reused':
    'The upstream answered with the id of a job that another attempt has; the task fails.',
  'upstream.job_abandoned':
    'The upstream accepted a task that had ended meanwhile, and may bill a job that nobody follows.',
  'upstream.job_erased':
    'A job finished while it was being cancelled, and the upstream erased it. It may bill the job.',
  'upstream.job_lost':
    'A server of a fleet was silent for too long, or does not know the job any more. The task fails, or is submitted again if `again` says so.',
  'upstream.job_missing':
    'The upstream does not know a job that it accepted; it is polled until the deadline.',
  'upstream.job_taken': 'An upstream job that looked like this task already belongs to another task.',
  'upstream.late_submit_failed': 'A submission that was given up has failed, or its id cannot be stored.',
  'upstream.list_refused':
    'The upstream refuses to list jobs, or its list is of no use; they are polled one by one.',
  'upstream.no_video':
    'A job of a declared provider succeeded, but its answer has no video; it is polled again until its task expires. Check `job.result` of the file.',
  'upstream.package_changed': 'A job was started with another version of its AI SDK package.',
  'upstream.parameter_dropped':
    'An AI SDK package did not send a parameter. The catalogue entry promises more than the package does.',
  'upstream.poll_failed': 'Polling an upstream failed; retrying.',
  'upstream.resubmitted': 'A task is submitted again after an unknown outcome, as configured.',
  'upstream.status_unknown':
    'The upstream answered with an undocumented status word; the job counts as running.',
  'upstream.submit_failed': 'Submitting to an upstream failed; `reason` and `created` say how.',
  'upstream.unreachable': 'An upstream does not answer, so nothing is submitted to it; retrying.',
  'upstream.usage_reported': 'The upstream reported the tokens that a job was billed.',
  'video.differs': 'The upstream delivered another size, length or sound than was asked for.',
  'video.remuxed': 'The upstream delivered another container than MP4; it was remuxed.',
  'webhook.dead': 'A webhook was not delivered and is not tried again by itself; `reason` says why.',
  'webhook.delivered': 'A webhook was delivered.',
  'webhook.endpoint_disabled': 'A webhook endpoint answered 410 and gets nothing more.',
  'webhook.failed': 'A try to deliver a webhook failed; it is tried again.',
  'webhook.not_sent':
    'A webhook cannot be made or sent, for example because its secret cannot be read; it is tried again as any other.',
  'webhook.store_failed': 'Cannot read which webhooks are due, or store how one ended; it is sent again.',
  'worker.exited':
    'A worker process of `ONETAKE_WORKERS` has ended by itself or was killed. Other nodes adopt its tasks, and it is started again.',
  'worker.late':
    'A worker process of `ONETAKE_WORKERS` has not stopped 15 seconds beyond the drain delay and timeout, and is killed.',
  'worker.silent':
    'A worker process of `ONETAKE_WORKERS` has left all pings of ten seconds without an answer: its event loop is blocked, or the process was stopped. It is killed and started again.',
  'worker.started': 'A worker process of `ONETAKE_WORKERS` was started; `pid` is its process id.',
  'worker.given_up':
    'A worker process that never served ends again and again at its start, or none serves any more. The gateway ends with its exit code.',
} as const;

/** The name of a log event. */
export type LogEvent = keyof typeof LOG_EVENTS;
