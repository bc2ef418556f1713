import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { testContext } from '../../../../test/support/context.ts';
import { host } from '../../../../test/support/mariadb-rig.ts';
import { describeUnless } from '../../../../test/support/skipped.ts';
import { SQL_FAMILY } from '../../../../test/support/sql-family.ts';
import type { SqlServer } from '../../../../test/support/sql-server.ts';
import { mariadbDriver } from '../driver.ts';
import { Connection } from './connection.ts';
import { parsePlace } from './place.ts';
import { text } from './sql.ts';

jest.setTimeout(120_000);
const run = promisify(execFile);

/** A certificate for `localhost` by an authority of its own, and one of a stranger's. */
async function certificates(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'stasis-tls-'));
  const openssl = (args: string) => run('openssl', args.split(' '), { cwd: folder, timeout: 60_000 });
  for (const name of ['ca', 'stranger'])
    await openssl(
      `req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=${name} -keyout ${name}.key -out ${name}.pem`,
    );
  await openssl(
    'req -newkey rsa:2048 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key.pem -out req.pem',
  );
  await openssl(
    'x509 -req -in req.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -copy_extensions copy -out cert.pem',
  );
  // The server's account is not ours.
  await chmod(folder, 0o755);
  await chmod(join(folder, 'key.pem'), 0o644);
  return folder;
}

/** A server as it is seen from another machine: by a Unix socket of ours, with what was sent by it. */
async function wayTo(port: number, path: string) {
  const sent: Buffer[] = [];
  const sockets: Socket[] = [];
  const server = createServer((client) => {
    const upstream = createConnection({ port, host: '127.0.0.1' });
    sockets.push(client, upstream);
    for (const socket of [client, upstream]) socket.on('error', () => {});
    client.on('data', (bytes) => sent.push(Buffer.from(bytes)));
    client.pipe(upstream).pipe(client);
  });
  server.listen(path);
  await once(server, 'listening');
  return {
    sent,
    reach: async () => ({ path }),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

describe.each(SQL_FAMILY)('of $title', ({ title, missing, start }) => {
  describeUnless(missing)('a login', () => {
    let server: SqlServer;
    let folder: string;
    const { signal } = new AbortController();

    beforeAll(async () => {
      folder = await certificates();
      const at = (name: string): string => join(folder, name);
      const settings = { 'ssl-ca': at('ca.pem'), 'ssl-cert': at('cert.pem'), 'ssl-key': at('key.pem') };
      server = await start({ settings });
      await server.query('CREATE DATABASE shop; CREATE TABLE shop.t (n int PRIMARY KEY)');
    });
    afterAll(async () => {
      await server?.stop();
      await rm(folder, { recursive: true, force: true });
    });

    /** The cipher that the server says the session has; empty for none. */
    async function cipher(options: string, name = '127.0.0.1', user = 'root', password = server.password) {
      const url = new URL(`${server.url('shop', user, password)}${options}`);
      url.hostname = name;
      await using session = await Connection.open(parsePlace(url.href), { signal });
      return text(await session.row("SHOW STATUS LIKE 'Ssl_cipher'", signal), 'Value');
    }

    test('is by TLS unless the URL says otherwise', async () => {
      expect(await cipher('')).toMatch(/^TLS_/);
      expect(await cipher('?ssl-mode=required')).toMatch(/^TLS_/);
      expect(await cipher('?ssl-mode=disabled')).toBe('');
    });

    test('looks at the certificate, and at the name in it, where it is told to', async () => {
      const ours = `ssl-ca=${join(folder, 'ca.pem')}`;
      const stranger = `ssl-ca=${join(folder, 'stranger.pem')}`;
      expect(await cipher(`?ssl-mode=verify_ca&${ours}`)).toMatch(/^TLS_/);
      expect(await cipher(`?ssl-mode=verify_identity&${ours}`, 'localhost')).toMatch(/^TLS_/);
      for (const [options, name] of [
        [`?ssl-mode=verify_ca&${stranger}`, '127.0.0.1'],
        [`?ssl-mode=verify_identity&${stranger}`, 'localhost'],
        ['?ssl-ca=/no/such.pem', '127.0.0.1'],
      ] as const)
        await expect(cipher(options, name)).rejects.toMatchObject({ code: 'mariadb.tls' });
      // By way of another machine, the name is still the URL's.
      await using way = await wayTo(server.port, join(folder, 'named'));
      const named = async (name: string) => {
        const url = new URL(`${server.url('shop')}?ssl-mode=verify_identity&${ours}`);
        url.hostname = name;
        await using session = await Connection.open(
          { ...parsePlace(url.href), reach: way.reach },
          { signal },
        );
        return text(await session.row("SHOW STATUS LIKE 'Ssl_cipher'", signal), 'Value');
      };
      expect(await named('localhost')).toMatch(/^TLS_/);
      await expect(named('db.example')).rejects.toMatchObject({ code: 'mariadb.tls' });
    });

    test('that has to be by TLS, or by a certificate of its own, is', async () => {
      await server.query("CREATE USER tls@'127.0.0.1' IDENTIFIED BY 'a b%ö' REQUIRE SSL");
      expect(await cipher('', '127.0.0.1', 'tls', 'a b%ö')).toMatch(/^TLS_/);
      await expect(cipher('?ssl-mode=disabled', '127.0.0.1', 'tls', 'a b%ö')).rejects.toMatchObject({
        code: 'mariadb.password',
      });
      await server.query("CREATE USER cert@'127.0.0.1' IDENTIFIED BY 'x' REQUIRE X509");
      await expect(cipher('', '127.0.0.1', 'cert', 'x')).rejects.toMatchObject({ code: 'mariadb.password' });
      const own = `?ssl-cert=${join(folder, 'cert.pem')}&ssl-key=${join(folder, 'key.pem')}`;
      expect(await cipher(own, '127.0.0.1', 'cert', 'x')).toMatch(/^TLS_/);
    });

    test('by the server’s usual plugin works with TLS and without, for the first time and again', async () => {
      await server.query(
        "CREATE USER usual@'127.0.0.1' IDENTIFIED BY 'x'; CREATE USER later@'127.0.0.1' IDENTIFIED BY 'x'",
      );
      // Without TLS the first time costs a password encrypted for the server's key (caching_sha2_password).
      for (let time = 1; time <= 2; time += 1)
        expect(await cipher('?ssl-mode=disabled', '127.0.0.1', 'usual', 'x')).toBe('');
      for (const user of ['usual', 'later'])
        expect(await cipher('?ssl-mode=required', '127.0.0.1', user, 'x')).toMatch(/^TLS_/);
      await expect(cipher('', '127.0.0.1', 'usual', 'y')).rejects.toMatchObject({ code: 'mariadb.password' });
    });

    test('without TLS, by way of another machine, shows no password to whoever listens', async () => {
      await server.query("CREATE USER far@'127.0.0.1' IDENTIFIED BY 'told-to-nobody'");
      const url = `${server.url('shop', 'far', 'told-to-nobody')}?ssl-mode=disabled`;
      await using way = await wayTo(server.port, join(folder, 'way'));
      await using session = await Connection.open({ ...parsePlace(url), reach: way.reach }, { signal });
      expect(text(await session.row('SELECT CURRENT_USER() AS me', signal), 'me')).toBe('far@127.0.0.1');
      const bytes = Buffer.concat(way.sent);
      expect(bytes.includes('far')).toBe(true);
      expect(bytes.includes('told-to-nobody')).toBe(false);
    });

    test('with the rights that the README names, and no more, captures with an epoch; what it lacks is told', async () => {
      const mysql = title === 'MySQL';
      const global = mysql ? 'REPLICATION CLIENT, XA_RECOVER_ADMIN, SHOW_ROUTINE' : 'BINLOG MONITOR';
      await server.query("CREATE USER least@'127.0.0.1' IDENTIFIED BY 'x'");
      const plan = async () => {
        const { problems } = await mariadbDriver.plan(
          { url: server.url('shop', 'least', 'x') },
          host,
          testContext(),
        );
        return problems.map(({ code }) => code);
      };
      expect(await plan()).toContain('mariadb.rights');
      await server.query("GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON shop.* TO least@'127.0.0.1'");
      expect(await plan()).toEqual(['mariadb.no-epoch', ...(mysql ? ['mariadb.rights'] : [])]);
      await server.query(`GRANT ${global} ON *.* TO least@'127.0.0.1'`);
      expect(await plan()).toEqual([]);
    });

    test('by a role has what the role has, once it is on', async () => {
      await server.query(
        `CREATE ROLE keeper; GRANT ALL PRIVILEGES ON *.* TO keeper; CREATE USER held@'127.0.0.1' IDENTIFIED BY 'x';
         GRANT keeper TO held@'127.0.0.1'`,
      );
      const plan = () => mariadbDriver.plan({ url: server.url('shop', 'held', 'x') }, host, testContext());
      expect((await plan()).problems.map(({ code }) => code)).toContain('mariadb.rights');
      const on = title === 'MySQL' ? "keeper TO held@'127.0.0.1'" : "keeper FOR held@'127.0.0.1'";
      await server.query(`SET DEFAULT ROLE ${on}`);
      expect((await plan()).problems).toEqual([]);
    });
  });
});
