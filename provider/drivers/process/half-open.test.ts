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

/** Writes a line each time it counts, and looks whether its input has ended. */
const WRITER = `
import os, time
os.set_blocking(0, False)
count, ended = 0, 0
while True:
    count += 1
    print('step', count, flush=True)
    try: ended = int(os.read(0, 100) == b'')
    except BlockingIOError: pass
    with open('/srv/writer/new', 'w') as file: file.write(f'[{count}, {ended}]')
    os.rename('/srv/writer/new', '/srv/writer/state')
    time.sleep(0.05)
`;
/** What reads it is slow at first: something is under way. */
const START_WRITER = `
mkdir -p /srv/writer
(
  sleep 100000 | setsid sh -c 'echo $$ > /run/writer.pid; exec python3 -c "$1"' writer "$1" | (sleep 5; exec cat)
) < /dev/null > /dev/null 2>&1 &
`;

testUnless(here.reason)(
  'a process that writes into a pipe which others read goes on elsewhere, and does not end with its next line',
  async () => {
    await using photographer = await Photographer.start(here);
    const { cloud, sovereign } = photographer;
    await on(cloud, START_WRITER, WRITER);
    const look = 'cat /srv/writer/state';
    const stateOf = (text: string): [number, number] => JSON.parse(text) as [number, number];
    await until(async () => stateOf(await on(cloud, look))[0] > 10);
    const spec = { pidFile: '/run/writer.pid', files: ['/srv/writer'] };
    const sealed = await photographer.photograph('writer', spec);
    const outside = sealed.manifest.members.writer!.coverage.outside.map(({ code }) => code);
    expect(outside).toContain('process.pipe');
    const twin = await photographer.bringBack(sealed, sovereign);
    expect(twin.result.verdict).toBe('identical');
    const [before] = stateOf(await twin.run(look));
    await until(async () => stateOf(await twin.run(look))[0] > before + 5);
    expect(stateOf(await twin.run(look))[1]).toBe(1);
    const [now, ended] = stateOf(await on(cloud, look));
    expect(ended).toBe(0);
    await until(async () => stateOf(await on(cloud, look))[0] > now);
    await twin.end();
  },
  240_000,
);
