import { quoteAll } from './quote.ts';
import type { SshSpec } from './spec.ts';

/** A link that says nothing for ALIVE_S times ALIVE_TRIES is dead. */
const ALIVE_S = 2;
const ALIVE_TRIES = 4;
export const CONNECT_S = 10;

/**
 * Where the client finds what it must not have in its arguments: known hosts are public but long, keys are secret and
 * therefore with an agent of ours.
 */
export interface SshFiles {
  /** The folder's file of known hosts for the n-th machine on the way (0: the one to be reached). */
  knownHosts(index: number): string;
  /** Whether an agent of ours holds the keys that were given as text. */
  readonly agent: boolean;
}

/** The arguments of OpenSSH's client, without a command: the same whatever the user's own configuration says. */
export function sshArguments(spec: SshSpec, files: SshFiles, index = 0): string[] {
  const options = [
    'BatchMode=yes',
    'LogLevel=ERROR',
    `ConnectTimeout=${CONNECT_S}`,
    `ServerAliveInterval=${ALIVE_S}`,
    `ServerAliveCountMax=${ALIVE_TRIES}`,
    'EscapeChar=none',
    'ForwardAgent=no',
    'ForwardX11=no',
    'PermitLocalCommand=no',
    'StreamLocalBindUnlink=yes',
    ...identity(spec, files),
    ...hostKeys(spec, files, index),
    ...(spec.jump === undefined ? [] : [proxy(spec.jump, files, index + 1)]),
  ];
  return [
    ...['-F', 'none', '-T'],
    ...options.flatMap((option) => ['-o', option]),
    ...(spec.port === undefined ? [] : ['-p', String(spec.port)]),
    ...(spec.user === undefined ? [] : ['-l', spec.user]),
    ...['--', spec.address],
  ];
}

/** Only the key that the user names is offered; without one, whatever the client finds by itself. */
function identity({ privateKey, privateKeyFile }: SshSpec, { agent }: SshFiles): string[] {
  if (privateKeyFile !== undefined) return [`IdentityFile=${inOption(privateKeyFile)}`, 'IdentitiesOnly=yes'];
  if (privateKey !== undefined && agent) return ['IdentityFile=none'];
  return [];
}

function hostKeys(spec: SshSpec, files: SshFiles, index: number): string[] {
  if (spec.hostKey !== undefined)
    return [
      `UserKnownHostsFile=${inOption(files.knownHosts(index))}`,
      'GlobalKnownHostsFile=none',
      'StrictHostKeyChecking=yes',
    ];
  if (spec.acceptAnyHostKey)
    return ['UserKnownHostsFile=/dev/null', 'GlobalKnownHostsFile=/dev/null', 'StrictHostKeyChecking=no'];
  const own =
    spec.knownHostsFile === undefined
      ? []
      : [`UserKnownHostsFile=${inOption(spec.knownHostsFile)}`, 'GlobalKnownHostsFile=none'];
  return [...own, 'StrictHostKeyChecking=yes', 'UpdateHostKeys=no'];
}

/** The client runs it by the user's shell, after it has replaced what follows a percent sign. */
function proxy(jump: SshSpec, files: SshFiles, index: number): string {
  const words = sshArguments(jump, files, index);
  const at = words.lastIndexOf('--');
  const before = quoteAll(['ssh', ...words.slice(0, at)]).replaceAll('%', '%%');
  const after = quoteAll(words.slice(at)).replaceAll('%', '%%');
  return `ProxyCommand=${before} -W '[%h]:%p' ${after}`;
}

/** A path in a configuration option: quoted, as it may have spaces, with percent signs doubled. */
function inOption(path: string): string {
  return `"${path.replaceAll('%', '%%').replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** The file of known hosts for a machine whose key the user has given. Every name fits: the file is for it alone. */
export function knownHostsText(hostKey: string): string {
  const keys = hostKey.split('\n').map((line) => line.trim());
  return keys
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => `* ${line}\n`)
    .join('');
}

/** Of the machine and those by way of which it is reached, the nearest to it first. */
export function hops(spec: SshSpec): readonly SshSpec[] {
  return spec.jump === undefined ? [spec] : [spec, ...hops(spec.jump)];
}
