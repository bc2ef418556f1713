import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { credentials, type ServiceError } from '@grpc/grpc-js';
import services from '@pulumi/pulumi/proto/provider_grpc_pb.js';
import provider from '@pulumi/pulumi/proto/provider_pb.js';

type Respond = (error: ServiceError | null) => void;

/**
 * From the start of a provider's process until it is ready: it has said its port, and answered the handshake and its
 * configuration, as the engine asks before anything else.
 */
export async function readyMs(
  program: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const startNs = process.hrtime.bigint();
  const child = spawn(program, ['127.0.0.1:1'], { env, stdio: ['pipe', 'pipe', 'ignore'] });
  const exited = once(child, 'exit');
  try {
    const [port] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    const client = new services.ResourceProviderClient(`127.0.0.1:${port}`, credentials.createInsecure());
    await answered((respond) => client.handshake(new provider.ProviderHandshakeRequest(), respond));
    await answered((respond) => client.configure(new provider.ConfigureRequest(), respond));
    const tookMs = Number(process.hrtime.bigint() - startNs) / 1e6;
    client.close();
    // Ended as the engine does: a process that is killed leaves no compiled code for the next one.
    child.stdin.end();
    await exited;
    return tookMs;
  } finally {
    child.kill('SIGKILL');
  }
}

function answered(call: (respond: Respond) => unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => (error ? reject(error) : resolve()));
  });
}
