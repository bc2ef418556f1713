import { lostWorkSentence } from '../coordinator/lost-work.ts';
import type { Context } from '../core/context.ts';
import type { DrillFacts } from '../core/drill-certificate.ts';
import { parseEnvelope } from '../core/dsse.ts';
import { StasisError } from '../core/errors.ts';
import { logSentence } from '../core/log-position.ts';
import { formatReference, parseReference } from '../core/reference.ts';
import type { ResourceState, Values } from '../core/resource.ts';
import { type Certificate, certificatesOf } from './drill-certificates.ts';
import { openAt } from './lookup.ts';
import { logOutputs } from './restore-outputs.ts';
import { warmthOutputs } from './restore-warmth.ts';
import type { Services } from './services.ts';
import { parseId } from './stores.ts';

/** A drill ran once; what is looked at again is whether its certificate is still there. No member is contacted. */
export async function readDrill(
  services: Services,
  prior: ResourceState,
  context: Context,
): Promise<{ state: ResourceState; problems: readonly StasisError[] }> {
  const store = await openAt(services, {}, parseId(prior.id).location, context);
  const { digest } = parseReference(String(prior.outputs.reference));
  const certificates = await certificatesOf(store, digest!, context);
  const isKept = certificates.some((one) => one.digest === prior.outputs.certificateDigest);
  const problem = new StasisError(
    'drill.certificate-lost',
    `The certificate of the drill of ${String(prior.outputs.reference)} is no longer in its store.`,
    { hint: 'It goes with its snapshot. The output "certificate" has it still.', severity: 'warning' },
  );
  return { state: prior, problems: isKept ? [] : [problem] };
}

/** A Drill's id is STORE#DRILL-ID; what it last did is in its newest certificate. */
export async function importDrill(services: Services, id: string, context: Context): Promise<ResourceState> {
  const { location, name: drillId } = parseId(id);
  const store = await openAt(services, {}, location, context);
  const found: { readonly reference: string; readonly certificate: Certificate }[] = [];
  for (const [name, { generations }] of await store.names(''))
    for (const { digest } of generations)
      for (const certificate of await certificatesOf(store, digest, context))
        if (certificate.drillId === drillId)
          found.push({ reference: formatReference({ name, digest }), certificate });
  const [newest] = found.sort((a, b) =>
    a.certificate.facts.finishedAt < b.certificate.facts.finishedAt ? 1 : -1,
  );
  if (newest !== undefined)
    return {
      id,
      stored: { snapshot: newest.reference },
      outputs: outputsOf(newest.reference, newest.certificate),
    };
  throw new StasisError('drill.none', `The store knows no drill "${id}".`, {
    hint: 'The id is the store, "#" and the drill\'s id, as in the resource\'s id output.',
  });
}

/** As far as a certificate tells: it counts differences and does not name them. */
function outputsOf(reference: string, { digest, text, facts }: Certificate): Values {
  const { verdict, passed, finishedAt, restoreMs, teardownMs, members, warmth, samples, lostWork } = facts;
  const results = Object.entries(members).map(([name, { driver: _driver, ...one }]) => [name, one]);
  return {
    ...{ reference, verdict, passed, restoreMs, teardownMs },
    drilledAt: finishedAt,
    differences: [],
    results: Object.fromEntries(results),
    probeResults: {},
    ...warmthOutputs(warmth, samples),
    lostWork: Object.fromEntries(
      Object.entries(lostWork).map(([name, one]) => {
        const { log, ...rest } = one;
        return [name, { ...rest, ...logOutputs(log), message: messageOf(one) }];
      }),
    ),
    lostWorkDifferences: [],
    certificate: text,
    certificateDigest: digest,
    keyId: parseEnvelope(Buffer.from(text)).signatures[0]?.keyid ?? '',
  };
}

/** The certificate has no names, and of an original that could not be read not why. */
function messageOf({ read, differenceCount, sinceCutMs, log }: DrillFacts['lostWork'][string]): string {
  const message = read ? lostWorkSentence(differenceCount, sinceCutMs) : 'It could not be read.';
  return log === undefined ? message : `${message} ${logSentence(log)}`;
}
