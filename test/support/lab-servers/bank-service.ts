import { join } from 'node:path';
import { build } from 'esbuild';
import { once } from '../../../provider/core/content.ts';
import type { Host } from '../../../provider/core/host.ts';
import type { StoreBooks } from '../bank/books.ts';
import type { ServiceReport } from '../bank/service.ts';
import { noIoUring, on, until } from '../process/rig.ts';
import { startService } from './servers.ts';

const PORT = 7071;

/** The bank's own process, on a host or restored there: asked in whatever network it lives in. */
export interface BankService {
  readonly pidFile: string;
  report(): Promise<ServiceReport>;
  /** What it has in its memory. */
  books(): Promise<StoreBooks>;
  /** What one store has, by its place among them, seen from the network that it lives in. */
  booksOf(store: number): Promise<StoreBooks>;
  /** What all stores have, seen from the network that it lives in; whole only when it rests. */
  all(): Promise<StoreBooks[]>;
  /** Lets every worker finish its move; none begins another. */
  rest(): Promise<ServiceReport>;
}

/** The service and all that it needs, as one file that a host's Node runs. */
async function bundle(): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, '..', 'bank', 'service.ts')],
    ...{ bundle: true, write: false, platform: 'node', format: 'cjs', target: 'node20', minify: true },
    external: ['pg-native', 'cloudflare:sockets'],
    logLevel: 'silent',
  });
  return outputFiles[0]!.contents;
}

export async function startBankService(
  host: Host,
  urls: readonly string[],
  options: { readonly restMs: number },
): Promise<BankService> {
  const { signal } = new AbortController();
  await on(host, 'mkdir -p /opt/bank');
  await host.write('/opt/bank/bank.cjs', once(await bundle()), { signal, mode: 0o644 });
  await host.write('/opt/bank/no-io-uring', once(noIoUring()), { signal, mode: 0o644 });
  // `env` gives way to Node, whose argument list shows no password.
  await startService(
    host,
    'bank',
    'root',
    ...['setpriv', '--seccomp-filter', '/opt/bank/no-io-uring', 'env'],
    ...[`BANK_STORES=${JSON.stringify(urls)}`, `BANK_REST_MS=${options.restMs}`, `BANK_PORT=${PORT}`],
    ...['node', '/opt/bank/bank.cjs'],
  );
  const service = bankServiceOf(host, '/run/bank.pid');
  await until(async () => (await service.report()).moves > 10);
  return service;
}

const ASK = `
read -r pid < "$1"
exec nsenter --net="/proc/$pid/ns/net" node -e 'require("http").get(process.argv[1], { timeout: 20000 }, (response) => {
  response.pipe(process.stdout);
}).on("error", (error) => { console.error(error.message); process.exit(1); })' "http://127.0.0.1:${PORT}$2"
`;

export function bankServiceOf(host: Host, pidFile: string): BankService {
  const ask = async <Answer>(path: string): Promise<Answer> =>
    JSON.parse(await on(host, ASK, pidFile, path)) as Answer;
  return {
    pidFile,
    report: () => ask('/report'),
    books: () => ask('/books'),
    booksOf: (store) => ask(`/books/${store}`),
    all: () => ask('/all'),
    rest: () => ask('/rest'),
  };
}
