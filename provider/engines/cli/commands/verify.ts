import { judge } from '../../../core/judgement.ts';
import type { Manifest } from '../../../core/manifest.ts';
import { formatReference } from '../../../core/reference.ts';
import type { StoreFinding } from '../../../core/store.ts';
import { nsToMs } from '../../../core/units.ts';
import { rejudge, type VerifyFinding } from '../../../core/verification.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { find, type Invocation, openDefaultStore } from '../invocation.ts';
import { renderStoreVerification, renderVerification } from '../listing.ts';

/** Judges certificates again, and hashes every stored byte: of one snapshot, or of all that is in the store. */
export function verify(invocation: Invocation, reference: string | undefined): Promise<ExitStatus> {
  return reference === undefined ? verifyStore(invocation) : verifySnapshot(invocation, reference);
}

async function verifySnapshot(invocation: Invocation, reference: string): Promise<ExitStatus> {
  const { context } = invocation;
  const { store, entry } = await find(invocation, reference);
  const startNs = context.clock.nowNs();
  context.progress({ step: 'verify', message: entry.name });
  const { manifest, digest, generation } = await store.open(entry.name, entry.digest, context);
  const findings = [...rejudge(manifest), ...inContent(await store.verify(digest, 'content', context))];
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

async function verifyStore(invocation: Invocation): Promise<ExitStatus> {
  const { context } = invocation;
  const store = await openDefaultStore(invocation);
  const startNs = context.clock.nowNs();
  context.progress({ step: 'verify', message: store.location });
  const verified = await store.verifyAll('content', context);
  const findings = [
    ...inContent(verified.findings),
    ...verified.snapshots.flatMap(({ name, digest, manifest }) =>
      judgedAgain(formatReference({ name, digest }), manifest),
    ),
  ];
  const isWhole = findings.length === 0;
  const verifyMs = nsToMs(context.clock.nowNs() - startNs);
  const snapshots = verified.snapshots.map(({ name, digest, generation, manifest }) => {
    const { sharp, blurMs } = judge(manifest.certificate);
    return { reference: formatReference({ name, digest }), digest, generation, sharp, blurMs };
  });
  invocation.output.result({ store: store.location, whole: isWhole, snapshots, findings }, (look) =>
    renderStoreVerification({ store: store.location, snapshots, findings, verifyMs }, look),
  );
  return isWhole ? EXIT.done : EXIT.failed;
}

function inContent(findings: readonly StoreFinding[]): VerifyFinding[] {
  return findings.map(({ code, members, message }) => ({ code, members, message }));
}

function judgedAgain(reference: string, manifest: Manifest): VerifyFinding[] {
  return rejudge(manifest).map((finding) => ({ ...finding, message: `${reference}: ${finding.message}` }));
}
