import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { labOrReason } from '../../../test/support/lab.ts';
import { Photographer, type Twin } from '../../../test/support/process/photographer.ts';
import { on, until } from '../../../test/support/process/rig.ts';
import { startSystemd } from '../../../test/support/process/systemd.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { once } from '../../core/content.ts';
import type { Host } from '../../core/host.ts';
import { processDriver } from './driver.ts';

const here = await labOrReason();
const PROGRAM = join(import.meta.dirname, '../../../test/support/process/logged-service.py');
/** What units of today are given: then they have mounts of their own, and an input that was opened before they had. */
const SERVICE = `PrivateTmp=yes
PrivateDevices=yes
ProtectSystem=full
ProtectHome=yes
ProtectControlGroups=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictSUIDSGID=yes
NoNewPrivileges=yes
MemoryDenyWriteExecute=yes
SystemCallFilter=@system-service
Restart=on-failure
RestartSec=100ms
RuntimeDirectory=logged
ExecStartPre=/bin/mkdir -p /srv/logged
ExecStart=/usr/bin/python3 /opt/logged-service.py /srv/logged
`;
/** Listens, and keeps whoever comes. */
const ELSEWHERE = `ExecStart=/usr/bin/socat UNIX-LISTEN:/run/elsewhere.sock,fork SYSTEM:"echo still here; cat > /dev/null"
`;
const CALLER = `ExecStart=/usr/bin/socat EXEC:"sleep 100000" UNIX-CONNECT:/run/logged/door.sock
Restart=on-failure
RestartSec=100ms
`;

interface State {
  readonly count: number;
  readonly callers: number;
  readonly lost: readonly string[];
  readonly pair: number;
  readonly late: string;
}

testUnless(here.reason)(
  'a systemd unit that writes to the journal, with Unix sockets to others, is captured and goes on elsewhere',
  async () => {
    await using photographer = await Photographer.start(here);
    const { lab, cloud, sovereign } = photographer;
    for (const host of [cloud, sovereign])
      await host.write('/opt/logged-service.py', once(await readFile(PROGRAM)), {
        signal: new AbortController().signal,
      });
    const services = { elsewhere: ELSEWHERE, logged: SERVICE, caller: CALLER };
    await using machine = await startSystemd(lab, 'cloud', services);
    await using other = await startSystemd(lab, 'sovereign', {});
    await until(async () => (await stateOn(machine)).callers > 0 && (await stateOn(machine)).count > 10);

    const spec = { unit: 'logged.service', files: ['/srv/logged'] };
    const plan = await processDriver.plan(processDriver.spec.parse(spec), machine, testContext());
    expect(plan.problems).toEqual([]);
    const outside = (items: typeof plan.outside): string[] =>
      items.filter(({ code }) => /unix|journal/.test(code)).map(({ code, message }) => `${code}: ${message}`);
    expect(outside(plan.outside).sort()).toEqual([
      'process.journal: the journal: what they log goes to the one of the host that they are restored on, or nowhere where it has none: /run/systemd/journal/stdout',
      'process.unix-peer: connections by Unix sockets to others, which are reset: /run/elsewhere.sock, /run/systemd/journal/dev-log, /var/run/logged/door.sock',
    ]);

    const sealed = await photographer.photographAll('logged', [photographer.member('logged', machine, spec)]);
    expect(sealed.manifest.sharp).toBe(true);
    const { coverage } = sealed.manifest.members.logged!;
    expect(outside(coverage.outside)).toEqual(outside(plan.outside));
    expect(await on(machine, 'systemctl is-active logged.service')).toBe('active');
    const after = await stateOn(machine);
    await until(async () => (await stateOn(machine)).count > after.count + 3);
    expect((await stateOn(machine)).lost).toEqual([]);

    // A host without a journal, and one that has it.
    const quiet = await photographer.bringBack(sealed, sovereign);
    await goesOn(quiet);
    await quiet.end();
    const told = await photographer.bringBack(sealed, other);
    await goesOn(told);
    const { count } = await stateIn(told);
    await until(async () =>
      (await on(other, 'journalctl --identifier=python3 --output=cat')).includes(`step ${count}\n`),
    );
    await told.end();
  },
  240_000,
);

async function goesOn(twin: Twin): Promise<void> {
  expect(twin.result.verdict).toBe('identical');
  const before = await stateIn(twin);
  await until(async () => (await stateIn(twin)).count > before.count + 5);
  const now = await stateIn(twin);
  expect([...now.lost].sort()).toEqual(['called', 'caller', 'log']);
  expect(now.pair).toBeGreaterThan(before.pair);
  expect(now.late).toBe('still here\n');
}

async function stateOn(host: Host): Promise<State> {
  return JSON.parse(await on(host, 'cat /srv/logged/state')) as State;
}

async function stateIn(twin: Twin): Promise<State> {
  return JSON.parse(await twin.run('cat /srv/logged/state')) as State;
}
