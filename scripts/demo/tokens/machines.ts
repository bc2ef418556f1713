import { join } from 'node:path';
import { build } from 'esbuild';
import { once } from '../../../provider/core/content.ts';
import type { Host } from '../../../provider/core/host.ts';
import { sshHost } from '../../../provider/hosts/ssh/host.ts';
import { startService } from '../../../test/support/lab-servers/servers.ts';
import { noIoUring, on, until } from '../../../test/support/process/rig.ts';
import { type HostName, type Lab, startLab } from '../../lab/lab.ts';
import { ensureRoot } from '../../lab/root.ts';
import { say } from '../../setup/say.ts';
import type { TokensReport } from './service.ts';

const PORT = 7080;
const ANSWER_MS = 20_000;

/** The two machines on which the token service lives: the shop's is on `cloud`, its twin comes to `sovereign`. */
export interface Machines extends AsyncDisposable {
  readonly lab: Lab;
  /** Where the shop reaches it. */
  readonly url: string;
  report(host: HostName): Promise<TokensReport>;
  /** How many of these tokens are valid there. */
  check(host: HostName, tokens: readonly string[]): Promise<number>;
}

/** Starts them, with the service on the first; or says why this machine cannot host them. */
export async function startMachines(signal: AbortSignal): Promise<Machines | { readonly reason: string }> {
  const root = await ensureRoot();
  signal.throwIfAborted();
  if (typeof root !== 'string') return { reason: root.reason };
  say('starting two machines, cloud and sovereign; who is logged in is in the memory of a process on cloud');
  await using starting = new AsyncDisposableStack();
  const lab = starting.use(await startLab(root, { name: `demo-${process.pid}`, stays: false }));
  signal.throwIfAborted();
  const hosts = {
    cloud: starting.use(labHost(lab, 'cloud')),
    sovereign: starting.use(labHost(lab, 'sovereign')),
  };
  const urlOf = (name: HostName): string => `http://${lab.hosts[name].address}:${PORT}`;
  await startTokens(hosts.cloud, urlOf('cloud'));
  await on(hosts.sovereign, 'echo 1 > /proc/sys/net/ipv4/ip_forward');
  const owned = starting.move();
  return {
    lab,
    url: urlOf('cloud'),
    report: (host) => ask(urlOf(host), '/report'),
    check: (host, tokens) => ask(urlOf(host), `/check/${tokens.join(',')}`),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function labHost(lab: Lab, name: HostName): Host & AsyncDisposable {
  const { address } = lab.hosts[name];
  return sshHost(name, {
    address,
    user: 'root',
    privateKeyFile: lab.keyFile,
    knownHostsFile: lab.knownHostsFile,
  });
}

async function startTokens(host: Host, url: string): Promise<void> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, 'service.ts')],
    ...{ bundle: true, write: false, platform: 'node', format: 'cjs', target: 'node20', logLevel: 'silent' },
  });
  const { signal } = new AbortController();
  await on(host, 'mkdir -p /opt/shop');
  await host.write('/opt/shop/tokens.cjs', once(outputFiles[0]!.contents), { signal, mode: 0o644 });
  await host.write('/opt/shop/no-io-uring', once(noIoUring()), { signal, mode: 0o644 });
  await startService(
    host,
    ...(['tokens', 'nobody', 'setpriv', '--no-new-privs'] as const),
    ...[
      '--seccomp-filter',
      '/opt/shop/no-io-uring',
      'env',
      `TOKENS_PORT=${PORT}`,
      'node',
      '/opt/shop/tokens.cjs',
    ],
  );
  await until(async () => (await ask<TokensReport>(url, '/report')).job.step > 0);
}

/** As any client does: the twin is reached at its machine, under the port of the restore. */
async function ask<Answer>(url: string, path: string): Promise<Answer> {
  const response = await fetch(`${url}${path}`, { signal: AbortSignal.timeout(ANSWER_MS) });
  return (await response.json()) as Answer;
}
