import type { Context } from '../../core/context.ts';
import type { RestorePlan } from '../../core/driver.ts';
import { StasisError, throwIfAborted, toStasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import type { MemberCapture } from '../../core/manifest.ts';
import { formatBytes } from '../../core/units.ts';
import { accessTo, type Self, type TreeAccess } from './access.ts';
import { findAttributeTools } from './attributes.ts';
import { contentOf, type FilesContent } from './content.ts';
import { noAttributeTools } from './load.ts';
import { identitiesOf, locateTarget, type Target } from './place.ts';
import { insistOnTools } from './plan.ts';
import { mountPoint } from './restore.ts';
import type { FilesSpec } from './spec.ts';
import { restorerOf } from './staging.ts';

const PROGRAM_MS = 10_000;

/** What would keep a restore from succeeding. */
export async function planFilesRestore(
  spec: FilesSpec,
  host: Host,
  from: MemberCapture,
  context: Context,
): Promise<RestorePlan> {
  const nothing = { identities: [], empty: true, sizeBytes: from.sizeBytes };
  const access = accessTo(host);
  try {
    const content = contentOf(from);
    await insistOnTools(access);
    const target = await locateTarget(spec, access);
    const problems = [
      ...(await placeProblems(target, content, from.sizeBytes, access)),
      ...ownerProblems(content, await access.self()),
      ...(await toolProblems(content, host, context)),
    ];
    return {
      problems,
      identities: await identitiesOf(target.path, access),
      empty: target.state !== 'filled',
      restoredBy: await restorerOf(target, access),
      sizeBytes: from.sizeBytes,
    };
  } catch (error) {
    throwIfAborted(context.signal);
    return { ...nothing, problems: [toStasisError(error, 'files.failed')] };
  }
}

async function placeProblems(
  target: Target,
  content: FilesContent,
  sizeBytes: number,
  access: TreeAccess,
): Promise<StasisError[]> {
  const problems: StasisError[] = [];
  if (await access.isMountPoint(target.path)) problems.push(mountPoint(target.path));
  if (!(await access.isWritable(target.parent)))
    problems.push(
      new StasisError('files.rights', `Nothing can be written in ${target.parent}.`, {
        hint: 'The files are loaded beside the target: run as a user that may write there.',
        at: ['path'],
      }),
    );
  const { freeBytes, freeInodes } = await access.room(target.parent);
  if (freeBytes < sizeBytes)
    problems.push(
      new StasisError(
        'files.no-space',
        `${target.parent} has ${formatBytes(freeBytes)} free, and ${formatBytes(sizeBytes)} are to be restored.`,
        {
          hint: 'Make room: what is replaced stays until the restored files are in its place.',
          at: ['path'],
        },
      ),
    );
  else if (freeInodes < content.entries)
    problems.push(
      new StasisError(
        'files.no-space',
        `${target.parent} has room for ${freeInodes} more files, and ${content.entries} are to be restored.`,
        { hint: 'Make room, or restore onto another file system.', at: ['path'] },
      ),
    );
  return problems;
}

/** Only root gives files to others; a user may give them to groups of its own. */
function ownerProblems(content: FilesContent, { uid, groups }: Self): StasisError[] {
  if (uid === 0) return [];
  const strangers = [
    ...content.users.filter(({ id }) => id !== uid).map(({ id, name }) => `user ${name} (${id})`),
    ...content.groups.filter(({ id }) => !groups.includes(id)).map(({ id, name }) => `group ${name} (${id})`),
  ];
  const problems: StasisError[] = [];
  if (strangers.length > 0)
    problems.push(
      new StasisError(
        'files.rights',
        `The files belong to ${strangers.slice(0, 5).join(', ')}, to whom only root can give them.`,
        { hint: 'Restore as root.', at: ['path'] },
      ),
    );
  const privileged = content.attributeNamespaces.filter((name) => name === 'trusted' || name === 'security');
  if (privileged.length > 0)
    problems.push(
      new StasisError(
        'files.rights',
        `Only root can set the ${privileged.join(' and ')} attributes of the files.`,
        {
          hint: 'Restore as root.',
          at: ['path'],
        },
      ),
    );
  return problems;
}

async function toolProblems(content: FilesContent, host: Host, context: Context): Promise<StasisError[]> {
  const problems: StasisError[] = [];
  if (content.attributeNamespaces.length > 0 && (await findAttributeTools(host)) === undefined)
    problems.push(noAttributeTools());
  const tar = await host.which('tar');
  if (tar === undefined || !(await isGnuTar(tar, host, context)))
    problems.push(
      new StasisError('files.tar-missing', 'GNU tar, which unpacks the files, is missing here.', {
        hint: 'Install tar: apt-get install tar.',
        at: ['path'],
      }),
    );
  return problems;
}

async function isGnuTar(tar: string, host: Host, context: Context): Promise<boolean> {
  const { stdout } = await host.run([tar, '--version'], { signal: context.signal, timeoutMs: PROGRAM_MS });
  return stdout.includes('GNU tar');
}
