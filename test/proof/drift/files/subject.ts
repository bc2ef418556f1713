import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { everything } from '../../../support/files-everything.ts';
import { memberOf } from '../../../support/member.ts';
import type { Kind, Subject } from '../drift.ts';
import { FILES_DRIFTS } from './drifts.ts';
import type { FilesTwin } from './twin.ts';

/** On a disk: a file system in memory keeps no proof of stillness. */
const PARENT = '/var/tmp';

export function filesKind(): Kind<FilesTwin> {
  return {
    driver: 'files',
    missing: missing(),
    drifts: FILES_DRIFTS,
    inShort: 8,
    start: async () => new FilesSubject(),
  };
}

function missing(): string | undefined {
  if (process.getuid?.() !== 0) return 'owners and capabilities take root';
  const absent = ['setfattr', 'setfacl', 'setcap'].filter((program) => !isThere(program));
  return absent.length > 0 ? `without ${absent.join(', ')}` : undefined;
}

function isThere(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

class FilesSubject implements Subject<FilesTwin> {
  readonly member;
  private readonly folder = mkdtempSync(join(PARENT, 'stasis-verdict-files-'));
  private twins = 0;

  constructor() {
    const source = join(this.folder, 'source');
    mkdirSync(source);
    everything(source);
    mkdirSync(join(source, 'hollow'));
    writeFileSync(join(source, 'program'), '#!/bin/sh\n', { mode: 0o755 });
    const run = (program: string, ...args: string[]): unknown =>
      execFileSync(program, [...args, join(source, 'program')]);
    run('setfattr', '-n', 'user.colour', '-v', 'red');
    run('setfacl', '-m', 'u:7:r');
    run('setcap', 'cap_net_bind_service=ep');
    this.member = memberOf('files', { path: source });
  }

  async twin(): Promise<FilesTwin> {
    this.twins += 1;
    const path = join(this.folder, `twin-${this.twins}`);
    return {
      member: memberOf('files', { path }),
      at: (...names) => join(path, ...names),
      [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true, force: true }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
