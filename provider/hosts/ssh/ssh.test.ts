import { describe, expect, test } from '@jest/globals';
import { knownHostsText, sshArguments } from './arguments.ts';
import { connectFault } from './faults.ts';
import { quote } from './quote.ts';
import { endOf, startScript } from './remote.ts';

const files = { knownHosts: (index: number) => `/private/known-${index}`, agent: true };

describe('what the client is told', () => {
  test('a key is in no argument, and only the known key is taken', () => {
    const args = sshArguments(
      { address: 'db', user: 'root', port: 2222, privateKey: 'SECRET', hostKey: 'ssh-ed25519 AAAA' },
      files,
    );
    expect(args.join(' ')).not.toContain('SECRET');
    expect(args).toContain('StrictHostKeyChecking=yes');
    expect(args).toContain('UserKnownHostsFile="/private/known-0"');
    expect(args.slice(-2)).toEqual(['--', 'db']);
  });

  test('unknown keys are refused unless said by its name', () => {
    expect(sshArguments({ address: 'db' }, files)).toContain('StrictHostKeyChecking=yes');
    expect(sshArguments({ address: 'db', acceptAnyHostKey: true }, files)).toContain(
      'StrictHostKeyChecking=no',
    );
  });

  test('a jump host is a client of its own, with checks of its own', () => {
    const args = sshArguments(
      { address: 'db', jump: { address: "a%b'c", hostKey: 'k', privateKeyFile: '/k' } },
      files,
    );
    const proxy = args.find((arg) => arg.startsWith('ProxyCommand=')) ?? '';
    expect(proxy).toContain("'a%%b'\\''c'");
    expect(proxy).toContain('known-1');
    expect(proxy).toContain("-W '[%h]:%p'");
    expect(proxy).toContain('StrictHostKeyChecking=yes');
  });

  test('every line of a host key is one of the file', () => {
    expect(knownHostsText('ssh-ed25519 A\n# no\n\nssh-rsa B\n')).toBe('* ssh-ed25519 A\n* ssh-rsa B\n');
  });
});

describe('what a session is told', () => {
  test('a word is quoted whatever is in it', () => {
    expect(quote("it's")).toBe("'it'\\''s'");
    expect(() => quote('a\0b')).toThrow(RangeError);
  });

  test('a name that is no name of a variable is refused', () => {
    const start = { token: 't', argv: ['true'], cwd: undefined };
    expect(() => startScript({ ...start, env: { 'a;b': '' } })).toThrow(RangeError);
  });

  test('how it ended is told apart from what it said', () => {
    expect(endOf('t', 'err\n\nt 255\n')).toEqual({ status: 255, stderr: 'err\n', started: true });
    expect(endOf('t', 'no such\ncannot-start-t\n\nt 127\n')).toMatchObject({ started: false });
    expect(endOf('t', 'Connection closed')).toBeUndefined();
  });
});

describe('why a connection cannot be made', () => {
  const codes = (stderr: string, spec = {}): string =>
    connectFault('db', { address: 'db', ...spec }, stderr).code;

  test('by what the client says', () => {
    expect(codes('root@db: Permission denied (publickey).')).toBe('host.login-refused');
    expect(codes('No ED25519 host key is known for db.\nHost key verification failed.')).toBe(
      'host.key-unknown',
    );
    expect(codes('Host key verification failed.', { hostKey: 'k' })).toBe('host.key-mismatch');
    expect(codes('WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!')).toBe('host.key-mismatch');
    expect(codes('ssh: connect to host db port 22: Connection refused')).toBe('host.unreachable');
    expect(codes('Error loading key "(stdin)": invalid format')).toBe('host.private-key');
  });
});
