import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client, credentials, type ServiceDefinition } from '@grpc/grpc-js';
import { CONTROLLER_SERVICE, PROVIDER_SERVICE } from '../../provider/engines/terraform/wire/services.ts';
import { type Figure, median, shareOf } from './figure.ts';

const ROOT = join(import.meta.dirname, '../..');
const ROUNDS = 11;
/** What tells the plugin that an engine started it (HashiCorp's go-plugin; no secret). */
const COOKIE = 'd602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2';

/** From the start of the plugin's process to its schema, against the start of a Node that does nothing. */
export async function benchStart(): Promise<readonly Figure[]> {
  const home = await mkdtemp(join(tmpdir(), 'stasis-bench-'));
  try {
    await schemaMs(home);
    const ours: number[] = [];
    const bare: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      ours.push(await schemaMs(home));
      bare.push(await bareNodeMs());
    }
    return [
      shareOf({
        name: 'plugin start to schema',
        unit: 'ms',
        ours: median(ours),
        peer: median(bare),
        peerName: 'bare Node start',
      }),
    ];
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function schemaMs(home: string): Promise<number> {
  const startNs = process.hrtime.bigint();
  const plugin = spawn(join(ROOT, 'bin/terraform-provider-stasis'), [], {
    env: {
      PATH: process.env.PATH,
      HOME: home,
      TF_PLUGIN_MAGIC_COOKIE: COOKIE,
      PLUGIN_PROTOCOL_VERSIONS: '6',
    },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exited = once(plugin, 'exit');
  try {
    const [line] = (await once(createInterface({ input: plugin.stdout }), 'line')) as [string];
    const socket = line.split('|')[3]!;
    await ask(socket, PROVIDER_SERVICE.GetProviderSchema!);
    const tookMs = Number(process.hrtime.bigint() - startNs) / 1e6;
    // Ended as the engine does: a process that is killed leaves no compiled code for the next one. It may be gone
    // before its answer is here.
    await ask(socket, CONTROLLER_SERVICE.Shutdown).catch(() => undefined);
    await exited;
    return tookMs;
  } finally {
    plugin.kill('SIGKILL');
  }
}

function ask(socket: string, method: ServiceDefinition[string]): Promise<void> {
  const client = new Client(`unix:${socket}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
  });
  const { path, requestSerialize, responseDeserialize } = method;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, {}, (error) => {
      client.close();
      if (error) reject(error);
      else resolve();
    });
  });
}

async function bareNodeMs(): Promise<number> {
  const startNs = process.hrtime.bigint();
  await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit');
  return Number(process.hrtime.bigint() - startNs) / 1e6;
}
