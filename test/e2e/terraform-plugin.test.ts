import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { createTlsIdentity } from '../../provider/engines/terraform/tls-identity.ts';
import { decodeMessage, encodeMessage } from '../../provider/engines/terraform/wire/codec.ts';
import { describeEngines } from './terraform/engines.ts';
import { ADDRESS, DB, PHOTO_PLUGIN, photo, photoWorkspace } from './terraform/photo-workspace.ts';
import { eventually, isAlive } from './terraform/workspace.ts';

jest.setTimeout(240_000);
const NODE = join(import.meta.dirname, '../../node_modules/node/bin/node');
const COOKIE = 'd602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2';
const OFFER = { TF_PLUGIN_MAGIC_COOKIE: COOKIE, PLUGIN_PROTOCOL_VERSIONS: '5,6' };

let folder = '';
let child: ChildProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stasis-plugin-test-'));
});
afterEach(async () => {
  if (child?.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'close');
  }
  await rm(folder, { recursive: true, force: true });
});

function start(environment: Readonly<Record<string, string>>, ...args: string[]): ChildProcess {
  const env = { PATH: process.env.PATH ?? '', TMPDIR: folder, ...environment };
  child = spawn(NODE, [PHOTO_PLUGIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  return child;
}

async function firstLine(process: ChildProcess): Promise<string> {
  const [chunk] = await once(process.stdout!, 'data');
  return String(chunk).trim();
}

/** Asks for the schema as a host with this identity; PEM of the server's certificate as the handshake had it. */
async function askSchema(
  line: string,
  identity?: { certificatePem: string; keyPem: string },
): Promise<Buffer> {
  const [, , , socket, , certificate = ''] = line.split('|');
  const pem = `-----BEGIN CERTIFICATE-----\n${certificate}${'='.repeat((4 - (certificate.length % 4)) % 4)}\n-----END CERTIFICATE-----\n`;
  const secure =
    certificate === ''
      ? credentials.createInsecure()
      : credentials.createSsl(
          Buffer.from(pem),
          identity ? Buffer.from(identity.keyPem) : null,
          identity ? Buffer.from(identity.certificatePem) : null,
        );
  const client = new Client(`unix:${socket}`, secure, { 'grpc.ssl_target_name_override': 'localhost' });
  try {
    return await new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        '/tfplugin6.Provider/GetProviderSchema',
        (message: Buffer) => message,
        (bytes: Buffer) => bytes,
        encodeMessage('GetProviderSchema.Request', {}),
        { deadline: Date.now() + 10_000 } as never,
        (error: ServiceError | null, bytes?: Buffer) => (error ? reject(error) : resolve(bytes!)),
      );
    });
  } finally {
    client.close();
  }
}

describe('the handshake', () => {
  test('mutual TLS: our host is served, another and one without certificate are refused', async () => {
    const [host, stranger] = [createTlsIdentity(), createTlsIdentity()];
    const line = await firstLine(start({ ...OFFER, PLUGIN_CLIENT_CERT: host.certificatePem }));
    const { resourceSchemas } = decodeMessage('GetProviderSchema.Response', await askSchema(line, host));
    expect(Object.keys(resourceSchemas ?? {})).toEqual(['stasis_photo']);
    await expect(askSchema(line, stranger)).rejects.toMatchObject({ code: 14 });
    await expect(askSchema(line)).rejects.toMatchObject({ code: 14 });
    const socketFolder = dirname(line.split('|')[3]!);
    expect((await stat(socketFolder)).mode & 0o777).toBe(0o700);
    expect(dirname(socketFolder)).toBe(folder);
  });

  test('without TLS where the host wants none', async () => {
    const line = await firstLine(start(OFFER));
    expect(line).toMatch(/^1\|6\|unix\|.*\|grpc\|$/);
    await expect(askSchema(line)).resolves.toBeInstanceOf(Buffer);
  });

  test.each([
    ['a person started it', {}, 'This is a plugin'],
    ['the host is too old', { ...OFFER, PLUGIN_PROTOCOL_VERSIONS: '5' }, 'protocol 6; this engine offers 5'],
    ['there is no place for a socket', { ...OFFER, PLUGIN_UNIX_SOCKET_DIR: '/nowhere' }, '/nowhere'],
  ])('one line says why it cannot start: %s', async (_why, environment, reason) => {
    const process = start(environment);
    const line = firstLine(process);
    const [status] = await once(process, 'close');
    expect(status).toBe(1);
    expect(await line).toContain(reason);
    expect(await line).not.toContain('\n');
  });
});

test('ends when the host died before the handshake', async () => {
  const process = start(OFFER);
  process.stdout!.destroy();
  const [status] = await once(process, 'close');
  expect(status).toBe(0);
  expect(await readdir(folder)).toEqual([]);
});

describe('a process to attach to', () => {
  test('announces itself, and ends on a signal, its folder removed', async () => {
    const process = start({}, '--reattach');
    expect(await firstLine(process)).toContain('registry.opentofu.org/stasis-iac/stasis');
    process.kill('SIGTERM');
    const [status] = await once(process, 'close');
    expect(status).toBe(0);
    expect(await readdir(folder)).toEqual([]);
  });

  describeEngines((engine) => {
    test('serves one command after another', async () => {
      const process = start({}, '--reattach');
      const line = await firstLine(process);
      const environment = { TF_REATTACH_PROVIDERS: /'(.*)'/.exec(line)![1]! };
      await using workspace = await photoWorkspace(engine, photo(DB));
      for (const args of [['plan'], ['apply', '-auto-approve'], ['plan', '-detailed-exitcode']]) {
        const { status, all } = await workspace.run(args, environment);
        expect([args[0], status, status === 0 ? '' : all]).toEqual([args[0], 0, '']);
      }
      expect(await workspace.state(ADDRESS)).toMatchObject({ generation: 1 });
      // Ctrl-C stops the work of one command; the process goes on.
      await workspace.write(
        `provider "stasis" {\n  folder = "{folder}/photos"\n}\n${photo(`${DB}\n  hold_ms = 60000`, 'other')}`,
      );
      const running = workspace.start(['apply', '-auto-approve', '-no-color'], environment);
      const held = () => readdir(join(workspace.folder, 'photos'));
      await eventually('it holds', async () => ((await held()).includes('other.held') ? true : undefined));
      global.process.kill(running.child.pid!, 'SIGINT');
      expect((await running.finished).all).toContain('The run was interrupted.');
      expect(await held()).not.toContain('other.held');
      // A host that dies takes the work with it, and nothing else.
      const dying = workspace.start(['apply', '-auto-approve', '-no-color'], environment);
      await eventually('it holds', async () => ((await held()).includes('other.held') ? true : undefined));
      dying.child.kill('SIGKILL');
      await eventually('it is let go', async () =>
        (await held()).includes('other.held') ? undefined : true,
      );
      expect(await isAlive(process.pid!)).toBe(true);
    });
  });
});
