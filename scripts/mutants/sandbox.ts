import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const LEFT_OUT = new Set(['node_modules', '.git', '.tmp', 'data', 'coverage']);

/**
 * Copies the repository to `sandbox`, with `files` in place of the originals. Packages are links to the installed ones, but our own
 * resolve to the copy: tests and the processes they start see no file of the original.
 */
export function makeSandbox(root: string, sandbox: string, files: ReadonlyMap<string, string>): void {
  rmSync(sandbox, { recursive: true, force: true });
  mkdirSync(sandbox, { recursive: true });
  // Entry by entry, because the sandbox is within `root`.
  for (const name of readdirSync(root).filter((entry) => !LEFT_OUT.has(entry))) {
    cpSync(path.join(root, name), path.join(sandbox, name), {
      recursive: true,
      filter: (from) => path.basename(from) !== 'node_modules',
      verbatimSymlinks: true,
    });
  }
  for (const [file, text] of files) writeFileSync(path.join(sandbox, file), text);

  const installed = path.join(root, 'node_modules');
  const modules = path.join(sandbox, 'node_modules');
  mkdirSync(path.join(modules, '@onetake'), { recursive: true });
  for (const name of readdirSync(installed)) {
    if (name === '@onetake' || (name.startsWith('.') && name !== '.bin')) continue;
    symlinkSync(path.join(installed, name), path.join(modules, name));
  }
  for (const name of readdirSync(path.join(root, 'packages'))) {
    symlinkSync(path.join(sandbox, 'packages', name), path.join(modules, '@onetake', name));
    const own = path.join(root, 'packages', name, 'node_modules');
    try {
      symlinkSync(readdirSync(own) && own, path.join(sandbox, 'packages', name, 'node_modules'));
    } catch {
      // Most packages have no node_modules of their own.
    }
  }
}
