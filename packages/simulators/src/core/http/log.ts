import { pino } from 'pino';

/** Standard error: standard output belongs to the lines that point a client at the simulators. */
export const log = pino({ name: 'simulators', level: 'warn' }, pino.destination({ dest: 2, sync: true }));
