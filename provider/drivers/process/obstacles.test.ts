import { expect, test } from '@jest/globals';
import type { OpenFile, TreeFacts } from '../../runtime/facts.ts';
import { obstaclesOf } from './obstacles.ts';

const SURROUNDINGS = { groups: '/groups', uid: 0, seesLimits: true, bootId: '', namespaces: {} };

function treeWith(file: Pick<OpenFile, 'mountId'> & Partial<OpenFile>): TreeFacts {
  const open: OpenFile = {
    ...{ descriptor: 3, target: '/srv/state.new', type: 'regular file', sizeBytes: 1 },
    ...{ isQueue: false, writable: true, inode: '7', ...file },
  };
  const process = {
    ...{
      pid: 9,
      ppid: 1,
      group: 9,
      session: 9,
      command: 'web',
      threads: 1,
      uid: 0,
      ownPid: 9,
      cgroup: '/web',
    },
    ...{ namespaces: {}, mappings: [], workingFolder: '/', memoryBytes: 0, open: [open] },
  };
  return {
    ...{
      processes: [process],
      sockets: [],
      hasUnixSockets: false,
      boundPaths: [],
      unixPeers: [],
      segments: [],
    },
    ...{ mounts: new Set(['21']), aheadS: 0 },
  };
}

test.each([
  ['of a mount that the tree sees', '21', []],
  ['of a mount that it does not see', '99', ['process.foreign-file']],
  ['that was closed before its mount was read', '', []],
])('a file %s', (_, mountId, codes) => {
  expect(codesOf({ mountId })).toEqual(codes);
});

test('/dev/null may have been opened anywhere', () => {
  expect(codesOf({ mountId: '99', target: '/dev/null', type: 'character special file' })).toEqual([]);
});

function codesOf(file: Parameters<typeof treeWith>[0]): string[] {
  return obstaclesOf(treeWith(file), SURROUNDINGS, false).map(({ code }) => code);
}
