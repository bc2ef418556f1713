import type { ReportDifference } from './schema.ts';

/** Differences by what they lie in: objects are named like paths, outermost first. */
export interface DifferenceNode {
  /** One step of the path, or several where there is nothing to tell apart: `db/shop/table`. */
  readonly label: string;
  /** The differences of exactly this object. */
  readonly differences: readonly ReportDifference[];
  readonly children: readonly DifferenceNode[];
  /** In it and below it. */
  readonly count: number;
}

interface Growing {
  readonly differences: ReportDifference[];
  readonly children: Map<string, Growing>;
}

/** One node a member, in the order in which they come. */
export function differenceTree(differences: readonly ReportDifference[]): readonly DifferenceNode[] {
  const roots = new Map<string, Growing>();
  for (const difference of differences) {
    let at = childOf(roots, difference.member);
    for (const step of difference.object.split('/')) at = childOf(at.children, step);
    at.differences.push(difference);
  }
  // A member stands by itself, however few things differ in it.
  return [...roots].map(([label, growing]) => grown(label, growing));
}

function childOf(children: Map<string, Growing>, step: string): Growing {
  const known = children.get(step);
  if (known !== undefined) return known;
  const made: Growing = { differences: [], children: new Map() };
  children.set(step, made);
  return made;
}

function grown(label: string, { differences, children }: Growing): DifferenceNode {
  const below = [...children].map(([step, child]) => joined(grown(step, child)));
  const count = below.reduce((sum, child) => sum + child.count, differences.length);
  return { label, differences, children: below, count };
}

/** A step that leads to one other only is written together with it. */
function joined(node: DifferenceNode): DifferenceNode {
  const [only, ...others] = node.children;
  if (only === undefined || others.length > 0 || node.differences.length > 0) return node;
  return { ...only, label: `${node.label}/${only.label}` };
}
