import { expect } from '@jest/globals';
import { labOrReason } from '../../../test/support/lab.ts';
import { Photographer } from '../../../test/support/process/photographer.ts';
import { on, until } from '../../../test/support/process/rig.ts';
import { startService } from '../../../test/support/process/servers.ts';
import { testUnless } from '../../../test/support/skipped.ts';

const here = await labOrReason();
const PORT = 7999;

/** Begins a connection that nobody answers, and counts on meanwhile. */
const CALLER = `
import socket, sys, time
call = socket.socket()
call.setblocking(False)
call.connect_ex((sys.argv[1], int(sys.argv[2])))
count = 0
while True:
    count += 1
    with open('/srv/caller/count', 'w') as file: file.write(str(count))
    time.sleep(0.05)
`;

testUnless(here.reason)(
  'a process that is calling somebody who does not answer is captured, and goes on elsewhere',
  async () => {
    await using photographer = await Photographer.start(here);
    const { cloud, sovereign, lab } = photographer;
    const deaf = `table inet deaf { chain input { type filter hook input priority 0; tcp dport ${PORT} drop; }; }`;
    await on(sovereign, 'printf %s "$1" | nft -f -', deaf);
    await on(cloud, 'mkdir -p /srv/caller');
    await startService(
      ...([cloud, 'caller', 'root', 'python3', '-c', CALLER] as const),
      ...[lab.hosts.sovereign.address, String(PORT)],
    );
    await until(async () => (await on(cloud, 'ss -Htn state syn-sent')).includes(`:${PORT}`));
    const sealed = await photographer.photograph('caller', {
      pidFile: '/run/caller.pid',
      files: ['/srv/caller'],
    });
    expect(sealed.manifest.sharp).toBe(true);
    const twin = await photographer.bringBack(sealed, sovereign);
    expect(twin.result.verdict).toBe('identical');
    const count = async (): Promise<number> => Number(await twin.run('cat /srv/caller/count'));
    const before = await count();
    await until(async () => (await count()) > before + 3);
    await twin.end();
  },
  240_000,
);
