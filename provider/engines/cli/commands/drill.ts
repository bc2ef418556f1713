import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { DrillFacts } from '../../../core/drill-certificate.ts';
import { parsePublicKey } from '../../../core/dsse.ts';
import { parseDuration } from '../../../core/duration.ts';
import { StasisError } from '../../../core/errors.ts';
import { formatReference } from '../../../core/reference.ts';
import { type CheckedCertificate, checkCertificates } from '../../../resources/drill-certificates.ts';
import { renderChecked, renderDrill } from '../drills.ts';
import { EXIT, type ExitStatus, Refusal } from '../exit.ts';
import {
  find,
  type Invocation,
  insistOnPlan,
  placing,
  readInputs,
  refusing,
  resourceOf,
} from '../invocation.ts';
import type { VerdictView } from '../verdict.ts';

/** What a fresh apply of this Drill would do. */
export async function drill(
  invocation: Invocation,
  reference: string | undefined,
  options: { readonly file: string; readonly key?: string; readonly report?: string },
): Promise<ExitStatus> {
  const given = {
    ...(reference === undefined ? {} : { snapshot: reference }),
    ...(options.key === undefined ? {} : { sign: { keyFile: options.key } }),
    ...(options.report === undefined ? {} : { report: options.report }),
  };
  const inputs = await readInputs(invocation, options.file, resourceOf(invocation, 'Drill').inputs, given);
  const definition = resourceOf(invocation, 'Drill', inputs.configuration);
  return placing(inputs, async () => {
    if (inputs.values.snapshot === undefined)
      throw new Refusal([
        new StasisError('usage.no-snapshot', 'No snapshot is named.', {
          hint: 'Write stasis drill REF -f targets.yaml, or set snapshot in the file.',
        }),
      ]);
    await insistOnPlan(invocation, definition, inputs);
    const { outputs } = await definition.apply({ inputs: inputs.values }, invocation.context);
    const view = outputs as unknown as VerdictView & Parameters<typeof renderDrill>[0];
    invocation.output.result(outputs, (look) => renderDrill(view, look));
    return view.verdict === 'drifted' ? EXIT.drifted : EXIT.done;
  });
}

/** Which certificates of a snapshot a key has signed; done when the newest of them says that the drill has passed. */
export async function verifyDrill(
  invocation: Invocation,
  reference: string,
  options: { readonly key: string; readonly maxAge?: string },
): Promise<ExitStatus> {
  const { context, source } = invocation;
  const { store, entry } = await find(invocation, reference);
  const key = await refusing(async () => parsePublicKey(await readKey(resolve(source.cwd, options.key))));
  const maxAgeMs = options.maxAge === undefined ? undefined : parseDuration(options.maxAge);
  if (options.maxAge !== undefined && maxAgeMs === undefined)
    throw new Refusal([
      new StasisError('age.malformed', 'This is no age.', { hint: 'For example 30d, 12h or 1d12h.' }),
    ]);
  const certificates = await checkCertificates(store, entry.digest, key);
  const isGood = isRehearsed(certificates, context.clock.wallMs(), maxAgeMs);
  const exact = formatReference({ name: entry.name, digest: entry.digest });
  invocation.output.result({ reference: exact, rehearsed: isGood, certificates }, (look) =>
    renderChecked(exact, isGood, certificates, look),
  );
  return isGood ? EXIT.done : EXIT.failed;
}

async function readKey(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new StasisError('dsse.key', `The key ${path} cannot be read.`, { cause });
  }
}

/** Only the newest signed one counts: a drill that passed before one that did not is no comfort. */
function isRehearsed(
  certificates: readonly CheckedCertificate[],
  nowMs: number,
  maxAgeMs: number | undefined,
): boolean {
  const newest: DrillFacts | undefined = certificates.find(({ signed }) => signed)?.facts;
  if (newest?.passed !== true) return false;
  return maxAgeMs === undefined || nowMs - Date.parse(newest.finishedAt) <= maxAgeMs;
}
