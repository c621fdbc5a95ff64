import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, delimiter, dirname, join, sep } from 'node:path';
import { withLock } from './lock.mjs';
import { exitCode, pathVariable, run } from './spawn.mjs';

const WANTED_MAJOR = 24;
const DISK_SPACE = '900 MB of disk';
const DEPENDENCY_FIELDS = [
  'workspaces',
  'dependencies',
  'devDependencies',
  'optionalDependencies',
  'overrides',
];

/** What npm's error codes mean to the person at the keyboard. */
const HINTS = [
  [/ENOSPC/, `The disk is full: an install needs ${DISK_SPACE}, and npm's cache half as much again.`],
  [/EACCES|EPERM|EROFS/, "npm may not write here: check who owns this folder and npm's cache."],
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EIDLETIMEOUT|E40[137]|E5\d\d/,
    'The npm registry did not answer: check the network, the proxy and `npm config get registry` until `npm ping` works.',
  ],
  [
    /E404|ETARGET/,
    'The npm registry does not have a package of that version: check `npm config get registry`.',
  ],
  [/EBADPLATFORM/, 'A package has no build for this platform: use Linux, macOS or Windows on x64 or arm64.'],
  [/EUSAGE/, 'package-lock.json does not match the package.json files: run `npm install --ignore-scripts`.'],
  [
    /EINTEGRITY/,
    'A downloaded package is not the one that was pinned: run `npm cache verify`, then try again.',
  ],
];

/** An install that did not work; the message says what to do, `exitCode` is what to end with. */
export class InstallError extends Error {
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * Makes sure that node_modules is what package-lock.json says, installing only if it is not, and returns the path of the
 * Node to run tasks with. Safe to call from several processes at once.
 */
export async function ensureInstalled(root) {
  const stamp = join(root, 'node_modules', '.onetake-install.json');
  const fingerprint = fingerprintOf(root);
  const stamped = readJson(stamp);
  if (stamped?.fingerprint === fingerprint && existsSync(stamped.node)) return stamped.node;

  const lock = join(root, '.tmp', 'install.lock');
  return withLock(
    lock,
    async () => {
      const meanwhile = readJson(stamp);
      if (meanwhile?.fingerprint === fingerprint && existsSync(meanwhile.node)) return meanwhile.node;
      if (!installedByHand(root)) await install(root);
      const node = usableNode(root);
      writeStamp(stamp, { fingerprint, node });
      return node;
    },
    (pid) => say(`Waiting for process ${pid}, which is installing (if it is not, remove ${lock})…`),
  );
}

/** Replaces the file: another checkout may have hard links to this one's node_modules. */
export function writeStamp(stamp, content) {
  const temporary = `${stamp}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify(content));
  renameSync(temporary, stamp);
}

/** Changes whenever what `npm ci` would install changes. */
export function fingerprintOf(root) {
  const lockText = readLock(root);
  const hash = createHash('sha256').update(`${process.platform}-${process.arch}\n${root}\n${lockText}`);
  for (const { manifest } of manifests(root, JSON.parse(lockText))) {
    for (const field of DEPENDENCY_FIELDS) hash.update(JSON.stringify(manifest[field] ?? null));
  }
  return hash.digest('hex');
}

/** Whether an `npm install` by hand has left what package-lock.json asks for, so that there is nothing to do. */
export function installedByHand(root) {
  const hidden = readJson(join(root, 'node_modules', '.package-lock.json'));
  if (!hidden || missingPackages(root).length > 0 || nodeVersion(pinnedNode(root)) === undefined)
    return false;
  const lock = JSON.parse(readLock(root));
  const lockIsCurrent = manifests(root, lock).every(({ manifest, locked }) =>
    DEPENDENCY_FIELDS.every(
      (field) => field === 'overrides' || sorted(manifest[field]) === sorted(locked[field]),
    ),
  );
  return (
    lockIsCurrent &&
    Object.entries(lock.packages).every(([path, wanted]) => {
      const found = hidden.packages[path];
      if (!path.includes('node_modules/') || wanted.link) return true;
      // `npm install --package-lock-only` lists here what it has not installed.
      return found
        ? found.version === wanted.version &&
            (wanted.optional || existsSync(join(root, path, 'package.json')))
        : wanted.optional === true || wanted.devOptional === true;
    })
  );
}

async function install(root) {
  const started = Date.now();
  say(`Installing dependencies (npm ci; ${DISK_SPACE}, only when they have changed)…`);
  // Install scripts stay off: one of them would fetch a binary from outside the registry, and only `node` needs its own.
  rmSync(join(root, '.tmp', 'install-node'), { recursive: true, force: true });
  await fetchNode(root);
  await npm(root, ['ci', '--ignore-scripts', '--include=dev', '--include=optional']);
  const missing = missingPackages(root);
  if (missing.length > 0) {
    throw new InstallError(
      `npm has left out ${missing.join(', ')}.\nCheck that ${DISK_SPACE} are free and that \`npm ping\` works, then run the command again.`,
    );
  }
  say(`Installing Node ${WANTED_MAJOR} for this repository…`);
  await npm(root, ['rebuild', 'node', '--ignore-scripts=false']);
  rmSync(join(root, '.tmp', 'install-node'), { recursive: true, force: true });
  say(`Installed in ${((Date.now() - started) / 1000).toFixed(0)} s.\n`);
}

/**
 * Puts the pinned Node where `npm` below finds it, if an older one runs us. On an older one npm leaves out, without a word, every
 * optional package whose `engines` ask for more.
 */
async function fetchNode(root) {
  if (Number(process.versions.node.split('.')[0]) >= WANTED_MAJOR) return;
  const { version } = JSON.parse(readLock(root)).packages['node_modules/node'] ?? {};
  if (!version) return;
  const folder = join(root, '.tmp', 'install-node');
  mkdirSync(folder, { recursive: true });
  await npm(root, ['install', `node@${version}`, '--prefix', folder, '--no-save', '--ignore-scripts=false']);
  const fetched = pinnedNode(folder);
  // Where the pinned Node has no build for this platform, npm runs on what there is; `usableNode` tells about it.
  if (nodeVersion(fetched) !== undefined) linkSync(fetched, keptNode(root));
}

const keptNode = (root) => join(root, '.tmp', 'install-node', basename(process.execPath));

async function npm(root, args) {
  // npm hands its own settings to the scripts it runs; these would send the install elsewhere, or make it partial.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^npm_config_(prefix|local_prefix|global|location|workspaces?|omit|dry_run)$/i.test(name),
    ),
  );
  const node = lastingNode(root);
  const path = pathVariable(env);
  env[path] = [dirname(node), env[path]].join(delimiter);
  const byNpm = /npm-cli\.[cm]?js$/.test(basename(env.npm_execpath ?? ''));
  const [command, leading] = byNpm ? [node, [env.npm_execpath]] : ['npm', []];
  let errors = '';
  const ended = await run(command, [...leading, ...args, '--loglevel=error'], {
    cwd: root,
    env,
    shell: !byNpm && process.platform === 'win32',
    // The task's own output is all that belongs on stdout.
    stdio: ['ignore', process.stderr, 'pipe'],
    onStderr: (text) => {
      errors += text;
    },
  }).catch((error) => {
    throw new InstallError(`npm cannot be started (${error.message}): install it, or put it into PATH.`);
  });
  if (ended.signal)
    throw new InstallError('The install was interrupted; run the command again.', exitCode(ended));
  if (ended.code !== 0) throw new InstallError(explain(args, errors), ended.code);
}

/**
 * The Node to run npm with: one fetched for that, or the one that runs us. Under npm that may be the pinned one of an earlier
 * install, which `npm ci` is about to delete, so it gets a second name outside node_modules.
 */
function lastingNode(root) {
  const kept = keptNode(root);
  if (existsSync(kept)) return kept;
  if (!process.execPath.startsWith(join(realpathSync(root), 'node_modules', sep))) return process.execPath;
  mkdirSync(dirname(kept), { recursive: true });
  linkSync(process.execPath, kept);
  return kept;
}

/** What to do about a failed npm command, from what it wrote. */
export function explain(args, errors) {
  const codes = [...errors.matchAll(/\bcode (E\w+)/g)].map(([, code]) => code).join(' ');
  const hints = HINTS.filter(([pattern]) => pattern.test(codes)).map(([, hint]) => hint);
  const advice =
    hints.length > 0 ? hints : [`Check that ${DISK_SPACE} are free and that \`npm ping\` works.`];
  return [
    `\`npm ${args.join(' ')}\` failed; its own words are above.`,
    ...advice,
    'Then run the command again.',
  ].join('\n');
}

/**
 * The packages made for this platform, and our own optional ones, that are not there. npm leaves out an optional package that it
 * could not fetch, write or run, and calls that a success; here they are what the gateway and its checks run on.
 */
export function missingPackages(root, platform = currentPlatform()) {
  const matches = (allowed, own) => allowed === undefined || allowed.includes(own);
  const { packages } = JSON.parse(readLock(root));
  const own = Object.entries(packages)
    .filter(([path]) => !path.includes('node_modules/'))
    .flatMap(([, { optionalDependencies }]) => Object.keys(optionalDependencies ?? {}))
    .map((name) => `node_modules/${name}`);
  const binaries = Object.entries(packages)
    .filter(
      ([, { os, cpu, libc }]) =>
        os && cpu && matches(os, platform.os) && matches(cpu, platform.cpu) && matches(libc, platform.libc),
    )
    .map(([path]) => path);
  return [...new Set([...own, ...binaries])].filter(
    (path) => path.lastIndexOf('node_modules/') === 0 && !existsSync(join(root, path, 'package.json')),
  );
}

function currentPlatform() {
  const glibc = process.report?.getReport().header.glibcVersionRuntime;
  return { os: process.platform, cpu: process.arch, libc: glibc ? 'glibc' : 'musl' };
}

/** The pinned Node, or the one we run under where the pinned one has no build for this platform. */
function usableNode(root) {
  const pinned = pinnedNode(root);
  if (nodeVersion(pinned)?.startsWith(`v${WANTED_MAJOR}.`)) return pinned;
  if (Number(process.versions.node.split('.')[0]) >= WANTED_MAJOR) return process.execPath;
  throw new InstallError(
    `The npm package \`node\` has no working Node ${WANTED_MAJOR} for ${process.platform}-${process.arch}.\n` +
      `Install Node ${WANTED_MAJOR} or newer yourself, put it first in PATH and run the command again.`,
  );
}

function pinnedNode(root) {
  return join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
}

/** What `--version` prints, or undefined if this file does not run here. */
function nodeVersion(path) {
  try {
    return execFileSync(path, ['--version'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined;
  }
}

/** Each package.json of the repository beside what package-lock.json has copied from it. */
function manifests(root, lock) {
  return Object.entries(lock.packages)
    .filter(([path]) => !path.includes('node_modules/'))
    .map(([path, locked]) => ({ locked, manifest: readJson(join(root, path, 'package.json')) ?? {} }));
}

function sorted(field) {
  return JSON.stringify(Object.entries(field ?? {}).sort());
}

function readLock(root) {
  try {
    return readFileSync(join(root, 'package-lock.json'), 'utf8');
  } catch {
    throw new InstallError(`package-lock.json is missing from ${root}: this is no complete checkout.`);
  }
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

function say(message) {
  console.error(message);
}
