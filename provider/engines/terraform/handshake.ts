import { StasisError } from '../../core/errors.ts';

/** How the host tells a plugin that it is one: a fact of Terraform's protocol, no secret. */
const MAGIC_COOKIE = 'd602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2';

/** The version of go-plugin's own protocol, and of Terraform's, that we speak. */
const CORE_VERSION = 1;
export const PROTOCOL_VERSION = 6;

export interface Invitation {
  /** PEM of the certificate that the host will show; absent when the host wants no TLS. */
  readonly clientCertificate: string | undefined;
  /** Where sockets belong, if the host says so. */
  readonly socketFolder: string | undefined;
}

/**
 * What the host says in the environment.
 * @throws StasisError `plugin.not-a-command` when a person started us, `plugin.protocol` when the host is too old.
 */
export function readInvitation(environment: NodeJS.ProcessEnv): Invitation {
  if (environment.TF_PLUGIN_MAGIC_COOKIE !== MAGIC_COOKIE)
    throw new StasisError(
      'plugin.not-a-command',
      'This is a plugin: Terraform and OpenTofu start it, people do not.',
      {
        hint: 'Run "stasis install terraform" (or opentofu) once, then terraform init; or start it with --reattach to debug it.',
      },
    );
  const offered = (environment.PLUGIN_PROTOCOL_VERSIONS ?? '').split(',').map((text) => text.trim());
  if (!offered.includes(String(PROTOCOL_VERSION)))
    throw new StasisError(
      'plugin.protocol',
      `Stasis speaks plugin protocol ${PROTOCOL_VERSION}; this engine offers ${offered.join(', ') || 'none'}.`,
      { hint: 'Use Terraform 1.11 or OpenTofu 1.11, or newer.' },
    );
  return {
    clientCertificate: environment.PLUGIN_CLIENT_CERT || undefined,
    socketFolder: environment.PLUGIN_UNIX_SOCKET_DIR || undefined,
  };
}

/**
 * The one line that the host waits for. The certificate is base64 without padding: Go decodes it so, and with
 * padding it fails whenever the length of the certificate happens to need some.
 */
export function handshakeLine(socketPath: string, certificateDer: Buffer | undefined): string {
  const certificate = (certificateDer ?? Buffer.alloc(0)).toString('base64').replace(/=+$/, '');
  return `${CORE_VERSION}|${PROTOCOL_VERSION}|unix|${socketPath}|grpc|${certificate}`;
}

/** What `TF_REATTACH_PROVIDERS` must say for an engine to use a process that it did not start. */
export function reattachConfiguration(addresses: readonly string[], socketPath: string, pid: number): string {
  const entry = {
    Protocol: 'grpc',
    ProtocolVersion: PROTOCOL_VERSION,
    Pid: pid,
    // The engine leaves the process running when its command ends.
    Test: true,
    Addr: { Network: 'unix', String: socketPath },
  };
  return JSON.stringify(Object.fromEntries(addresses.map((address) => [address, entry])));
}
