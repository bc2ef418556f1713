import { expect, test } from '@jest/globals';
import { fingerprintDefinition } from './fingerprint.ts';
import { parseContainers } from './podman.ts';

function objectsOf(config: object, spec: object = {}): Record<string, string> {
  const [container] = parseContainers(
    JSON.stringify([
      {
        ...{ Id: '1', Name: 'still', State: { Status: 'running', Pid: 1 }, OCIRuntime: 'crun' },
        ...{ GraphDriver: { Name: 'overlay', Data: {} }, HostConfig: {}, Config: {} },
      },
    ]),
  );
  const definition = new Map([
    ['config.dump', Buffer.from(JSON.stringify(config))],
    ['spec.dump', Buffer.from(JSON.stringify(spec))],
  ]);
  const entries = fingerprintDefinition('container', container!, definition);
  return Object.fromEntries(entries.map(({ object, digest }) => [object, digest]));
}

function differing(one: Record<string, string>, other: Record<string, string>): string[] {
  const objects = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...objects].filter((object) => one[object] !== other[object]).sort();
}

test('what podman adds to aliases whenever it makes a container is no difference, and another alias is', () => {
  const of = (...aliases: string[]) =>
    objectsOf({ newNetworks: { net: { aliases, static_ips: ['10.1.1.1'] } } });
  expect(differing(of('still'), of('still', '0123456789ab', 'still'))).toEqual([]);
  expect(differing(of('still', 'shop'), of('shop', 'still'))).toEqual([]);
  const without = objectsOf({ newNetworks: { net: { static_ips: ['10.1.1.1'] } } });
  expect(differing(without, of('0123456789ab'))).toEqual([]);
  expect(differing(of('still'), of('still', 'other'))).toEqual(['container/config/newNetworks']);
});

test('file systems in memory, a root that is only read and the size of /dev/shm are settings', () => {
  const scratch = { type: 'tmpfs', destination: '/scratch', options: ['size=1m'] };
  const plain = objectsOf({ shmSize: 1 }, { mounts: [{ type: 'proc', destination: '/proc' }] });
  expect(differing(plain, objectsOf({ shmSize: 1 }, { mounts: [scratch] }))).toEqual([
    'container/config/mount/scratch',
  ]);
  expect(differing(plain, objectsOf({ shmSize: 2 }, { root: { readonly: true } }))).toEqual([
    'container/config/shmSize',
    'container/config/spec/root',
  ]);
});

test('podman writes variables of an environment in no order: only another value, or which of two comes first, is a difference', () => {
  const of = (...env: string[]) => objectsOf({}, { process: { env, cwd: '/' } });
  expect(differing(of('A=1', 'B=2'), of('B=2', 'A=1'))).toEqual([]);
  expect(differing(of('A=1', 'B=2'), of('A=1', 'B=3'))).toEqual(['container/config/spec/process']);
  expect(differing(of('A=1', 'A=2'), of('A=2', 'A=1'))).toEqual(['container/config/spec/process']);
});
