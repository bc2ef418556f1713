import { describe, expect, test } from '@jest/globals';
import { localHost } from '../hosts/local/host.ts';
import { runParts } from './machine.ts';
import { examineRestore, lookForTools, missingTools } from './restore-tools.ts';

describe('the programs that a restore takes', () => {
  const host = localHost();
  const look = (programs: readonly string[]) =>
    runParts(host, lookForTools(programs), [], new AbortController().signal);

  test('are told with where they are, and what installs those that are not there', async () => {
    const parts = await look(['tar', 'nft-of-nobody']);
    expect(examineRestore('process', parts, host)).toEqual({
      found: [{ what: 'tar, for a restore', where: expect.stringMatching(/^\/.*\/tar$/) }],
      problems: [
        expect.objectContaining({
          code: 'process.no-nft-of-nobody',
          severity: 'warning',
          hint: 'Install it: apt-get install nft-of-nobody.',
        }),
      ],
    });
  });

  test('stop the plan of a restore that lacks one', async () => {
    const problems = missingTools('container', await look(['sh', 'ss-of-nobody']), host);
    expect(problems).toMatchObject([{ code: 'container.no-ss-of-nobody', severity: 'error' }]);
  });
});
