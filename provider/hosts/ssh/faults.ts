import { StasisError } from '../../core/errors.ts';
import { CONNECT_S } from './arguments.ts';
import type { SshSpec } from './spec.ts';

/**
 * Why a connection could not be made, by what OpenSSH's client said (its messages are the same in every language).
 * `at` is relative to the host's ssh block.
 */
export function connectFault(hostName: string, spec: SshSpec, stderr: string): StasisError {
  const said = lastLine(stderr);
  const fault = (code: string, message: string, hint: string, at: string): StasisError =>
    new StasisError(code, message, { hint, at: [at], details: { said } });
  if (/REMOTE HOST IDENTIFICATION HAS CHANGED|Host key for .* has changed/.test(stderr))
    return keyMismatch(hostName, spec, fault);
  if (/Host key verification failed|No .* host key is known/.test(stderr))
    return spec.hostKey === undefined
      ? fault(
          'host.key-unknown',
          `The host ${hostName} shows a key that is not known here.`,
          'Give its public key as hostKey (ssh-keyscan prints it; compare it with what the host itself says), or a file as knownHostsFile.',
          'hostKey',
        )
      : keyMismatch(hostName, spec, fault);
  if (/Permission denied|Too many authentication failures/.test(stderr))
    return fault(
      'host.login-refused',
      `The host ${hostName} refuses the login.`,
      'Check user and key: the public part must be in ~/.ssh/authorized_keys of that user on the host.',
      spec.privateKeyFile === undefined ? 'privateKey' : 'privateKeyFile',
    );
  if (
    /invalid format|error in libcrypto|incorrect passphrase|bad permissions|Could not add identity/.test(
      stderr,
    )
  )
    return fault(
      'host.private-key',
      'The private key cannot be used.',
      'Give a key in OpenSSH or PEM format, without a passphrase, or load it into an ssh-agent and give none.',
      spec.privateKeyFile === undefined ? 'privateKey' : 'privateKeyFile',
    );
  if (/no such identity|not accessible/i.test(stderr) && spec.privateKeyFile !== undefined)
    return fault(
      'host.private-key',
      `The file ${spec.privateKeyFile} cannot be read.`,
      'Name a file that the process which runs Stasis can read.',
      'privateKeyFile',
    );
  return fault(
    'host.unreachable',
    `The host ${hostName} cannot be reached by SSH: ${said || `no answer within ${CONNECT_S} s`}.`,
    'Check address and port, that sshd runs there, and that no firewall is in between.',
    'address',
  );
}

function keyMismatch(
  hostName: string,
  spec: SshSpec,
  fault: (code: string, message: string, hint: string, at: string) => StasisError,
): StasisError {
  return fault(
    'host.key-mismatch',
    `The host ${hostName} shows another key than the known one: it was set up anew, or somebody sits in between.`,
    'Find out which, and only then change the known key.',
    spec.hostKey === undefined ? 'knownHostsFile' : 'hostKey',
  );
}

export function connectionLost(hostName: string, why: string): StasisError {
  return new StasisError(
    'host.connection-lost',
    `The connection to the host ${hostName} is lost${why === '' ? '' : `: ${why}`}.`,
    {
      hint: 'What was held there is let go by its own lease. Check the network, and apply again.',
    },
  );
}

export function lastLine(stderr: string): string {
  return stderr.trim().split('\n').at(-1)?.trim().replace(/\.$/, '') ?? '';
}
