import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Disk } from '../facts.ts';
import { newNames } from '../names.ts';
import { rescueOf, type Undo } from './rescue.ts';

const names = newNames();
const disk: Disk = {
  ...{ name: 'disk0', node: 'disk0', path: '/disk', format: 'raw', sizeBytes: 1024, usedBytes: 0 },
  ...{ readOnly: false, backed: false, internalSnapshots: 0, bitmaps: [] },
};
const SETTING = ['migrate-set-capabilities', { capabilities: [] }] as const;

interface Asked {
  readonly resume?: boolean;
  readonly settings?: Undo['settings'];
  /** What QEMU answers to each line. */
  readonly answer?: string;
  /** Whether the guest's file systems can be thawed; whether there is a VM at all. */
  readonly thaws?: boolean;
  readonly alive?: boolean;
}

/** Runs a rescue against a QEMU that answers every line the same, and keeps what it was told. */
function rescued(asked: Asked): { readonly code: number | null; readonly told: string } {
  const {
    resume = true,
    settings = [SETTING],
    answer = '{"return": {}}',
    thaws = true,
    alive = true,
  } = asked;
  const folder = mkdtempSync(join(tmpdir(), 'stasis-rescue-'));
  const said = join(folder, 'said');
  const functions = `said=$1 answer=$2; shift 2
free() { :; }
thaw() { ${thaws}; }
alive() { ${alive}; }
talk() { for line in "$@"; do printf '%s\\n' "$line" >> "${said}"; printf '%s\\n' "$answer"; done; }`;
  const undo = { names, folder: join(folder, 'gone'), disks: [disk], settings };
  const [command, ...args] = rescueOf({ functions, words: [said, answer], shown: 'a VM' }, undo, resume);
  try {
    const { status } = spawnSync(command!, args, { timeout: 20_000 });
    return { code: status, told: readFileSync(said, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('the rescue of a VM', () => {
  test('lets it run again where the folder of the capture is gone already', () => {
    const { code, told } = rescued({});
    expect(code).toBe(0);
    expect(told.split('\n')[0]).toBe('{"execute":"cont"}');
  });

  for (const status of ['active', 'cancelling'])
    test(`is tried again while the saving is ${status}, as QEMU refused the settings then`, () => {
      expect(rescued({ answer: `{"return": {"status": "${status}"}}` }).code).not.toBe(0);
    });

  test('is over once the saving is cancelled', () => {
    const { code, told } = rescued({ answer: '{"return": {"status": "cancelled"}}' });
    expect(code).toBe(0);
    const commands = told.split('\n').filter((line) => /migrate/.test(line));
    expect(commands.map((line) => JSON.parse(line).execute)).toEqual([
      ...['migrate_cancel', 'query-migrate', 'migrate-set-capabilities'],
    ]);
  });

  test('is tried again while something of the capture is left', () => {
    expect(rescued({ answer: `{"return": [{"id": "${names.job(0)}"}]}` }).code).not.toBe(0);
  });

  test("is tried again while the guest's file systems are not thawed, unless the VM is gone", () => {
    const { code, told } = rescued({ thaws: false });
    expect(code).not.toBe(0);
    expect(told).toContain('"cont"');
    expect(rescued({ thaws: false, alive: false }).code).toBe(0);
  });

  test("does not cancel a migration where the capture saved no memory: it is the operator's", () => {
    expect(rescued({ settings: [] }).told).not.toContain('migrate');
  });
});
