import type { Place } from '../../../core/errors.ts';
import provider from '../stubs.ts';
import type { Difference } from '../values/difference.ts';
import { formatPath } from '../values/paths.ts';

type DiffResponse = InstanceType<typeof provider.DiffResponse>;

export function nothingDiffers(): DiffResponse {
  return new provider.DiffResponse()
    .setChanges(provider.DiffResponse.DiffChanges.DIFF_NONE)
    .setHasdetaileddiff(true);
}

/** Every difference of the inputs at its own place, and which of them ask for another resource. */
export function diffResponse(found: readonly Difference[], replace: readonly Place[]): DiffResponse {
  const response = new provider.DiffResponse()
    .setChanges(provider.DiffResponse.DiffChanges.DIFF_SOME)
    .setHasdetaileddiff(true)
    .setReplacesList(unique(replace.map(([first = '']) => first)))
    .setDiffsList(unique([...found.map(({ at }) => at[0] ?? ''), ...replace.map(([first = '']) => first)]));
  const details = response.getDetaileddiffMap();
  for (const { at, kind } of found) {
    const replaces = replace.some((place) => overlaps(place, at));
    details.set(formatPath(at), detail(kind, replaces));
  }
  // A default of the provider's may have changed, which is in no input of the resource.
  for (const place of replace)
    if (!found.some(({ at }) => overlaps(place, at))) details.set(formatPath(place), detail('updated', true));
  return response;
}

function detail(kind: Difference['kind'], replaces: boolean) {
  const kinds = provider.PropertyDiff.Kind;
  const all = {
    added: [kinds.ADD, kinds.ADD_REPLACE],
    deleted: [kinds.DELETE, kinds.DELETE_REPLACE],
    updated: [kinds.UPDATE, kinds.UPDATE_REPLACE],
  } as const;
  return new provider.PropertyDiff().setKind(all[kind][replaces ? 1 : 0]).setInputdiff(true);
}

/** One of the places lies within the other. */
function overlaps(one: Place, other: Place): boolean {
  const [shorter, longer] = one.length < other.length ? [one, other] : [other, one];
  return shorter.every((step, index) => longer[index] === step);
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}
