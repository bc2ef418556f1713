import { z } from 'zod';
import type { ComparisonResult } from '../coordinator/compare.ts';
import type { Values } from '../core/resource.ts';
import { satisfies, type Verify } from '../core/verdict.ts';
import { comparedOutputs, MEMBER_OUTPUT, probesOf, RESTORE_OUTPUTS } from './restore-outputs.ts';

const check = z
  .object({
    passed: z
      .boolean()
      .describe('Whether it is the same, as far as verify asks. A probe that was not asked has not passed.'),
    message: z.string().describe('One sentence for people, also where it has passed.'),
  })
  .meta({ typeName: 'Check' });

export const COMPARISON_OUTPUTS = z.object({
  reference: z.string().describe('Exactly the snapshot that was compared: name@sha256:….'),
  comparedWith: z
    .string()
    .describe('What it was compared with: name@sha256:…, or "running" for the members as they ran.'),
  comparedAt: z.string().describe('When, ISO 8601.'),
  verdict: RESTORE_OUTPUTS.shape.verdict,
  passed: z.boolean().describe('Whether the verdict is at least what verify asks for.'),
  summary: z
    .string()
    .describe('One sentence for people, with the first differences: an error_message of a check block.'),
  checks: z
    .record(z.string(), check)
    .describe(
      'One by member, by its name, and one by probe, as probe/NAME: what a check block asserts one by one.',
    ),
  differences: RESTORE_OUTPUTS.shape.differences,
  differenceCount: z.number().int().describe('How many objects differ, over all members.'),
  results: z
    .record(z.string(), MEMBER_OUTPUT.omit({ restoreMs: true }).meta({ typeName: 'ComparedMember' }))
    .describe('The verdict by member.'),
  probeResults: z
    .record(z.string(), RESTORE_OUTPUTS.shape.probeResults.valueType)
    .describe('What became of each probe, by its name.'),
});

/** Until it is compared: after an import. */
export const NOT_COMPARED: Values = {
  ...{ comparedWith: '', comparedAt: '', verdict: 'unverified', passed: false },
  summary: 'It was not compared yet.',
  ...{ checks: {}, differences: [], differenceCount: 0, results: {}, probeResults: {} },
};

interface Compared {
  readonly reference: string;
  readonly comparedWith: string;
  readonly comparedAtMs: number;
  /** The least verdict with which it has passed. */
  readonly verify: 'identical' | 'equivalent';
  readonly result: ComparisonResult;
}

export function comparisonOutputs({
  reference,
  comparedWith,
  comparedAtMs,
  verify,
  result,
}: Compared): Values {
  const { verdict } = result;
  return {
    ...{ reference, comparedWith, comparedAt: new Date(comparedAtMs).toISOString() },
    ...comparedOutputs(result),
    passed: satisfies(verdict, verify),
    summary: summaryOf(reference, comparedWith, result),
    checks: checksOf(result, verify),
    differenceCount: differenceCountOf(result),
    probeResults: probesOf(result),
  };
}

function differenceCountOf({ members }: ComparisonResult): number {
  return Object.values(members).reduce((sum, one) => sum + one.differenceCount, 0);
}

const SUMMARY_DIFFERENCES = 3;

function summaryOf(reference: string, comparedWith: string, result: ComparisonResult): string {
  const what = comparedWith === 'running' ? 'What runs' : comparedWith;
  const named = Object.values(result.members)
    .flatMap(({ differences }) => differences)
    .slice(0, SUMMARY_DIFFERENCES)
    .map(({ member, object, message }) => `${member} ${object} ${message}`);
  const more = differenceCountOf(result) - named.length;
  const rest = more > 0 ? [`and ${more} more`] : [];
  const why = named.length > 0 ? `: ${[...named, ...rest].join('; ')}` : '';
  return `${what} is ${result.verdict}, compared with ${reference}${why}.`;
}

function checksOf({ members }: ComparisonResult, verify: Verify): Values {
  const checks: Record<string, { passed: boolean; message: string }> = {};
  for (const [name, { verdict, differences, differenceCount, probes = {} }] of Object.entries(members)) {
    const [first] = differences;
    const why =
      first === undefined
        ? ''
        : `, in ${differenceCount} ${differenceCount === 1 ? 'object' : 'objects'}, the first being ${first.object || 'all of it'}: ${first.message}`;
    checks[name] = {
      passed: satisfies(verdict, verify),
      message: `The member "${name}" is ${verdict}${why}.`,
    };
    for (const [probe, { outcome, message }] of Object.entries(probes))
      checks[`probe/${probe}`] = {
        passed: outcome === 'equal',
        message: `The probe "${probe}" of "${name}" is ${outcome}: ${message}`,
      };
  }
  return checks;
}
