import { describe, expect, test } from '@jest/globals';
import { SimulatedSystem, simulatedDriver } from '../../test/support/simulated/driver.ts';
import { UNKNOWN } from '../core/resource.ts';
import { localHost } from '../hosts/local/host.ts';
import { hostSpec, locateHost, openHost } from '../hosts/registry.ts';
import { STORE_TYPES } from '../stores/registry.ts';
import { actsAgain, resolveMembers, storedMembers } from './members.ts';
import { makeProvider } from './provider.ts';
import type { Services } from './services.ts';

const driver = simulatedDriver({ system: new SimulatedSystem(), mark: true, watch: true });

function services(hosts: Readonly<Record<string, unknown>>): Services {
  return {
    drivers: [driver],
    storeTypes: STORE_TYPES,
    host: localHost(),
    hostType: { spec: hostSpec, open: openHost, locate: locateHost },
    hosts,
    version: '0.0.0',
    owner: 'test',
  };
}

const members = (host?: unknown) => ({
  one: { [driver.name]: { place: 'a', ...(host === undefined ? {} : { host }) } },
});
const db1 = (ssh: object = {}) => ({ db1: { ssh: { address: '10.0.0.4', user: 'root', ...ssh } } });

describe('the host of a member', () => {
  test('is the machine that we are on unless it names one', () => {
    expect(resolveMembers(services({}), members()).members[0]?.host.name).toBe('local');
    expect(resolveMembers(services(db1()), members('db1')).members[0]?.host.name).toBe('db1');
  });

  test('that is not configured is told at its attribute', () => {
    const { problems } = resolveMembers(services(db1()), members('db2'));
    expect(problems).toMatchObject([{ code: 'member.no-host', at: ['members', 'one', driver.name, 'host'] }]);
    expect(problems[0]?.hint).toContain('db1');
    expect(resolveMembers(services({}), members('constructor')).problems).toHaveLength(1);
  });

  test('is part of where the member is; how it is logged in to is not', () => {
    const stored = (ssh: object, host: string | undefined = 'db1') =>
      storedMembers(services(db1(ssh)), members(host));
    const again = (from: unknown, to: unknown) =>
      actsAgain(services({}), { id: '', stored: { members: from }, outputs: {} }, { members: to } as never);
    const first = stored({});
    expect(JSON.stringify(stored({ privateKey: 'SECRET' }))).not.toContain('SECRET');
    expect(again(first, stored({ user: 'deploy', privateKey: 'other', hostKey: 'k' }))).toBe('no');
    expect(again(first, stored({ address: '10.0.0.5' }))).toBe('yes');
    expect(again(first, storedMembers(services({}), members()))).toBe('yes');
    expect(again(first, stored({ privateKey: UNKNOWN as never }))).toBe('no');
    expect(again(first, stored({ address: UNKNOWN as never }))).toBe('unknown');
  });

  test('what is wrong with a host shows in the configuration, without its secrets', () => {
    const provider = makeProvider(services({}));
    const wrong = { hosts: { db1: { ssh: { address: '-oProxyCommand=x', privateKey: 'SECRET', prot: 1 } } } };
    const problems = provider.check(wrong);
    expect(problems.map(({ at }) => at.join('.'))).toEqual(
      expect.arrayContaining(['hosts.db1.ssh.address', 'hosts.db1.ssh.prot']),
    );
    expect(JSON.stringify(problems)).not.toContain('SECRET');
  });
});
