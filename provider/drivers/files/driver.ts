import type { Context } from '../../core/context.ts';
import type { Driver, Examination, Session } from '../../core/driver.ts';
import type { Host } from '../../core/host.ts';
import { accessTo } from './access.ts';
import { findAttributeTools } from './attributes.ts';
import { folderOf, locate } from './place.ts';
import { insistOnTools, missingTools, planFiles, systemOf, unreadAttributes } from './plan.ts';
import { planFilesRestore } from './plan-restore.ts';
import { questions, treeAnswers } from './probe.ts';
import { observeFiles, restoreFiles, undoFiles } from './restore.ts';
import { FilesSession } from './session.ts';
import { endpointOf, type FilesSpec, filesSpec } from './spec.ts';

/** A folder or a file, byte by byte with all its attributes. See README.md. */
export const filesDriver: Driver = {
  name: 'files',
  summary: 'A folder or a file, with owners, modes, times, links, holes, extended attributes and ACLs.',
  spec: filesSpec,
  traits: { layers: ['data'], fidelity: 'identical', copies: 'after-release', rank: 10, inert: true },
  questions,
  endpoint: (spec) => endpointOf(spec as FilesSpec),
  plan: (spec, at, context) => planFiles(spec as FilesSpec, at, context),
  prepare: (spec, at, context) => prepare(spec as FilesSpec, at, context),
  planRestore: (spec, at, from, context) => planFilesRestore(spec as FilesSpec, at, from, context),
  restore: (spec, at, from, blobs, options, context) =>
    restoreFiles(spec as FilesSpec, at, from, blobs, options, context),
  observe: (spec, at, context) => observeFiles(spec as FilesSpec, at, context),
  ask: async (spec, at) => {
    const access = accessTo(at);
    const path = await locate(spec as FilesSpec, access);
    return treeAnswers(() => path, access);
  },
  undo: (spec, at, entry) => undoFiles(spec as FilesSpec, at, entry),
  examine,
};

async function prepare(spec: FilesSpec, at: Host, context: Context): Promise<Session> {
  const access = accessTo(at);
  await insistOnTools(access);
  const path = await locate(spec, access);
  const tools = await findAttributeTools(at);
  return new FilesSession(
    {
      ...{ root: Buffer.from(path), folder: await folderOf(path, access), access },
      ...{ exclude: spec.exclude ?? [], tools, system: await systemOf(access) },
    },
    context,
  );
}

/** The programs that do what Node cannot. */
const PROGRAMS = ['tar', 'getfattr', 'setfattr'] as const;

async function examine(at: Host): Promise<Examination> {
  const paths = await Promise.all(PROGRAMS.map((program) => at.which(program)));
  const found = PROGRAMS.flatMap((what, index) => {
    const where = paths[index];
    return where === undefined ? [] : [{ what, where }];
  });
  const hasAttributes = (await findAttributeTools(at)) !== undefined;
  const problems = [...(await missingTools(accessTo(at))), ...(hasAttributes ? [] : [unreadAttributes()])];
  return { found, problems };
}
