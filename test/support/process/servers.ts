import type { Host } from '../../../provider/core/host.ts';
import { on, until } from './rig.ts';

/** A server that keeps something in memory, started as a service of a host of the lab. */
export interface WarmServer {
  readonly name: string;
  /** What it is captured by. */
  readonly spec: { readonly pidFile: string; readonly files: readonly string[] };
  /** Starts it and gives it something to know. */
  start(host: Host): Promise<void>;
  /** A shell script that prints what it knows, and nothing that changes with time; works wherever it runs. */
  readonly knows: string;
  /** A shell script that gives it work, which has to succeed. */
  readonly works: string;
}

/** NAME USER PROGRAM...: in a session of its own, with nothing open but its log. */
const START = `
name=$1 user=$2; shift 2
mkdir -p "/srv/$name"; chown "$user" "/srv/$name"; cd "/srv/$name"
setsid setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups "$@" < /dev/null > "/srv/$name/log" 2>&1 &
echo $! > "/run/$name.pid"
`;

export async function startService(host: Host, name: string, user: string, ...argv: string[]): Promise<void> {
  await on(host, START, name, user, ...argv);
}

async function knowing(host: Host, script: string): Promise<void> {
  await until(async () => (await on(host, script)) !== '', 30_000);
}

const PSQL = 'psql -h /run/postgresql -U postgres -At';

const postgres: WarmServer = {
  name: 'postgres',
  spec: { pidFile: '/run/pg.pid', files: ['/srv/pg'] },
  start: async (host) => {
    const bin = '/usr/lib/postgresql/18/bin';
    await on(
      host,
      `btrfs subvolume create /srv/pg > /dev/null && chown postgres /srv/pg && chmod 700 /srv/pg &&
       setpriv --reuid postgres --regid postgres --init-groups ${bin}/initdb -D /srv/pg -A trust -U postgres > /dev/null`,
    );
    const settings = ['shared_buffers=48MB', 'autovacuum=off', 'fsync=off', 'listen_addresses=127.0.0.1'];
    await startService(
      ...([host, 'pg', 'postgres', `${bin}/postgres`, '-D', '/srv/pg', '-k', '/run/postgresql'] as const),
      ...settings.flatMap((setting) => ['-c', setting]),
    );
    await knowing(host, `${PSQL} -c 'SELECT 1'`);
    await on(
      host,
      `${PSQL} -q -c 'CREATE EXTENSION pg_buffercache' \\
        -c "CREATE TABLE orders AS SELECT n, md5(n::text) AS item FROM generate_series(1, 200000) n" \\
        -c 'CHECKPOINT' -c 'SELECT sum(n) FROM orders' > /dev/null`,
    );
  },
  // A connection reads the catalogue into the buffers: the second of two looks is the same every time.
  knows: `for turn in 1 2; do seen=$(${PSQL} -c "SELECT count(*), pg_postmaster_start_time() FROM pg_buffercache WHERE relfilenode IS NOT NULL GROUP BY 2" -c 'SELECT sum(n), max(item) FROM orders'); done; echo "$seen"`,
  works: `${PSQL} -c "INSERT INTO orders VALUES (0, 'after')" -c 'CHECKPOINT' -c 'SET max_parallel_workers_per_gather = 2' -c 'SET min_parallel_table_scan_size = 0' -c 'SET parallel_setup_cost = 0' -c 'SELECT count(DISTINCT item) FROM orders'`,
};

const redis: WarmServer = {
  name: 'redis',
  spec: { pidFile: '/run/cache.pid', files: ['/srv/cache'] },
  start: async (host) => {
    const settings = [
      '--save',
      '',
      '--bind',
      '127.0.0.1',
      '--dir',
      '/srv/cache',
      '--unixsocket',
      '/run/redis/cache.sock',
    ];
    await on(host, 'chown redis /run/redis');
    await startService(host, 'cache', 'redis', 'redis-server', ...settings);
    await knowing(host, 'redis-cli -s /run/redis/cache.sock ping');
    await on(host, "seq 1 20000 | sed 's/.*/SET key:& value-&/' | redis-cli -s /run/redis/cache.sock --pipe");
  },
  knows:
    'redis-cli -s /run/redis/cache.sock mget key:7 key:20000; redis-cli -s /run/redis/cache.sock info server | grep run_id; redis-cli dbsize',
  works: 'redis-cli -s /run/redis/cache.sock set after x; redis-cli bgsave; redis-cli get after',
};

const MARIADB = 'mariadb -S /run/mysqld/shop.sock -u root -N';

const mariadb: WarmServer = {
  name: 'mariadb',
  spec: { pidFile: '/run/maria.pid', files: ['/srv/maria'] },
  start: async (host) => {
    await on(
      host,
      `mkdir -p /srv/maria && chown mysql /srv/maria /run/mysqld &&
       mariadb-install-db --no-defaults --user=mysql --datadir=/srv/maria --auth-root-authentication-method=normal --skip-test-db > /dev/null 2>&1`,
    );
    const settings = [
      '--no-defaults',
      '--datadir=/srv/maria',
      '--socket=/run/mysqld/shop.sock',
      '--bind-address=127.0.0.1',
    ];
    await startService(host, 'maria', 'mysql', 'mariadbd', ...settings, '--innodb-use-native-aio=0');
    await knowing(host, `${MARIADB} -e 'SELECT 1'`);
    await on(
      host,
      `${MARIADB} -e 'CREATE DATABASE shop; USE shop; CREATE TABLE orders (n int PRIMARY KEY, item char(32)); INSERT INTO shop.orders SELECT seq, md5(seq) FROM seq_1_to_50000'`,
    );
  },
  knows: `${MARIADB} -e "SELECT sum(n), max(item) FROM shop.orders; SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'INNODB_BUFFER_POOL_PAGES_DATA'"`,
  works: `${MARIADB} -e "INSERT INTO shop.orders VALUES (0, 'after'); FLUSH TABLES; SELECT count(*) FROM shop.orders"`,
};

const HTTP = (path: string): string =>
  `node -e 'require("http").get("http://127.0.0.1:7171${path}", (r) => r.pipe(process.stdout)).on("error", (e) => { console.error(e.message); process.exit(1); })'`;

const NODE = `
const tokens = new Map();
let asked = 0;
setInterval(() => { asked += 1; }, 5);
require('http').createServer((request, response) => {
  response.setHeader('connection', 'close');
  if (request.url === '/issue') tokens.set('token-' + tokens.size, Math.random());
  response.end(JSON.stringify([...tokens]) + (request.url === '/issue' ? asked : ''));
}).listen(7171, '127.0.0.1');
`;

const node: WarmServer = {
  name: 'node',
  spec: { pidFile: '/run/web.pid', files: ['/srv/web'] },
  start: async (host) => {
    const filter = ['setpriv', '--seccomp-filter', '/opt/no-io-uring'];
    await startService(host, 'web', 'nobody', ...filter, 'node', '-e', NODE);
    await knowing(host, HTTP('/issue'));
  },
  knows: HTTP('/'),
  works: HTTP('/issue'),
};

const PYTHON = `
import http.server, random, threading
tokens = []
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == '/issue':
            tokens.append(random.random())
        self.send_response(200)
        self.end_headers()
        self.wfile.write(repr(tokens).encode())
http.server.ThreadingHTTPServer(('127.0.0.1', 7172), Handler).serve_forever()
`;

const python: WarmServer = {
  name: 'python',
  spec: { pidFile: '/run/api.pid', files: ['/srv/api'] },
  start: async (host) => {
    await startService(host, 'api', 'nobody', 'python3', '-c', PYTHON);
    await knowing(host, HTTP('/issue').replace('7171', '7172'));
  },
  knows: HTTP('/').replace('7171', '7172'),
  works: HTTP('/issue').replace('7171', '7172'),
};

const JAVA = `
import com.sun.net.httpserver.*;
import java.net.*;
import java.util.*;
public class Tokens {
  static final List<UUID> tokens = new ArrayList<>();
  public static void main(String[] args) throws Exception {
    HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 7173), 0);
    server.createContext("/", exchange -> {
      if (exchange.getRequestURI().getPath().equals("/issue")) tokens.add(UUID.randomUUID());
      byte[] answer = tokens.toString().getBytes();
      exchange.sendResponseHeaders(200, answer.length);
      exchange.getResponseBody().write(answer);
      exchange.close();
    });
    server.setExecutor(java.util.concurrent.Executors.newFixedThreadPool(4));
    server.start();
  }
}
`;

const java: WarmServer = {
  name: 'java',
  spec: { pidFile: '/run/jvm.pid', files: ['/srv/jvm'] },
  start: async (host) => {
    await on(host, 'mkdir -p /srv/jvm && printf %s "$1" > /srv/jvm/Tokens.java', JAVA);
    await startService(host, 'jvm', 'nobody', 'java', '-Xmx64m', '/srv/jvm/Tokens.java');
    await knowing(host, HTTP('/issue').replace('7171', '7173'));
  },
  knows: HTTP('/').replace('7171', '7173'),
  works: HTTP('/issue').replace('7171', '7173'),
};

export const WARM_SERVERS: readonly WarmServer[] = [postgres, redis, mariadb, node, python, java];
