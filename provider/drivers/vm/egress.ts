import { StasisError } from '../../core/errors.ts';
import type { MemberCapture } from '../../core/manifest.ts';
import { readContent } from './content.ts';

/**
 * What a machine sends cannot be kept back once it runs: where its network ends on the host is the host's own. So only
 * one without a network is blocked, as it is anyway. QEMU gives a machine a network card unless it is told not to.
 */
export function networkObstacles(from: MemberCapture): StasisError[] {
  const { made } = readContent(from);
  const networked = 'argv' in made ? hasNetwork(made.argv) : /<interface[\s>]|-netdev/.test(made.xml);
  if (!networked) return [];
  return [
    new StasisError('vm.egress-not-blocked', 'The VM has a network, which cannot be blocked.', {
      hint: 'Leave egress as it is and restore it where the host lets nothing out, or capture it without a network.',
      at: ['argv' in made ? 'qmp' : 'domain'],
    }),
  ];
}

function hasNetwork(argv: readonly string[]): boolean {
  const given = argv.flatMap((option, at) => {
    const name = option.replace(/^--/, '-');
    return ['-net', '-nic', '-netdev'].includes(name) ? [argv[at + 1] ?? ''] : [];
  });
  if (given.some((value) => value !== 'none')) return true;
  return given.length === 0 && !argv.includes('-nodefaults');
}
