import { judge } from '../../../core/judgement.ts';
import { formatReference } from '../../../core/reference.ts';
import { nsToMs } from '../../../core/units.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { find, type Invocation } from '../invocation.ts';
import { renderVerification } from '../listing.ts';
import { rejudge, type VerifyFinding } from '../verification.ts';

/** Judges the certificate again, and hashes every stored byte of one snapshot. */
export async function verify(invocation: Invocation, reference: string): Promise<ExitStatus> {
  const { context } = invocation;
  const { store, entry } = await find(invocation, reference);
  const startNs = context.clock.nowNs();
  context.progress({ step: 'verify', message: entry.name });
  const { manifest, digest, generation } = await store.open(entry.name, entry.digest, context);
  const damage = await store.verify(digest, 'content', context);
  const findings: VerifyFinding[] = [
    ...rejudge(manifest),
    ...damage.map(({ code, members, message }) => ({ code, members, message })),
  ];
  const { sharp, blurMs } = judge(manifest.certificate);
  const isWhole = findings.length === 0;
  const exact = formatReference({ name: entry.name, digest });
  const verifyMs = nsToMs(context.clock.nowNs() - startNs);
  const values = { reference: exact, digest, generation, whole: isWhole, sharp, blurMs, findings };
  invocation.output.result(values, (look) =>
    renderVerification(
      { reference: exact, findings, storedBytes: manifest.storedBytes, verifyMs, sharp, blurMs },
      look,
    ),
  );
  return isWhole ? EXIT.done : EXIT.failed;
}
