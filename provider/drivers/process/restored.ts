import type { Context } from '../../core/context.ts';
import type { Held, RestoreOptions } from '../../core/driver.ts';
import type { Fingerprint } from '../../core/fingerprint.ts';
import type { Host } from '../../core/host.ts';
import type { Answers } from '../../core/probe.ts';
import { enterTree, runningAnswers } from '../../runtime/answers.ts';
import { Dump } from '../../runtime/dump.ts';
import { readFacts } from '../../runtime/facts.ts';
import { ofFileOn } from '../../runtime/file-pages.ts';
import { fingerprintImages } from '../../runtime/images/fingerprint.ts';
import { runScript } from '../../runtime/machine.ts';
import { memoryFolder } from '../../runtime/memory-folder.ts';
import { surroundingsOn } from '../../runtime/surroundings.ts';
import { fingerprintTree } from '../../runtime/trees.ts';
import { imagesBytes, type ProcessContent } from './content.ts';
import { dumpCommand, ownImages, socketTableOf, viewOf, watchedBy } from './dump.ts';
import { KeptFiles } from './kept-files.ts';
import { locate } from './locate.ts';
import { rootOf } from './memory-files.ts';
import type { Place } from './place.ts';
import { connectionArguments, warnOfSilentPorts } from './ports.ts';
import { END, LET_RUN, RELEASE } from './restore-scripts.ts';
import type { ProcessSpec } from './spec.ts';

interface Parts {
  readonly spec: ProcessSpec;
  readonly host: Host;
  readonly context: Context;
  readonly content: ProcessContent;
  readonly place: Place;
  readonly group: string;
  /** Of the tree's root, as the host numbers it. */
  readonly pid: number;
  readonly options: RestoreOptions;
  readonly drop: () => Promise<void>;
}

/** A tree that was brought back and is frozen still, until it is rehearsed or released. */
export class RestoredTree implements Held {
  private readonly parts: Parts;
  private released = false;

  constructor(parts: Parts) {
    this.parts = parts;
  }

  /** Of what CRIU dumps of the restored tree: what came back, and not what was written to be restored. */
  async *fingerprint(): Fingerprint {
    const { host, context, content, place, group, pid } = this.parts;
    const { signal } = context;
    const surroundings = await surroundingsOn(host, signal);
    const facts = await readFacts(host, [pid], signal);
    await using room = await memoryFolder(host, 2 * imagesBytes(content), signal);
    const folder = room.path;
    const root = rootOf(facts.processes[0]!, surroundings);
    const memory = content.memory ?? { folders: [], files: [] };
    const kept = new KeptFiles({ root, folders: [], memory }, host);
    const view = viewOf(facts, surroundings);
    const watched = watchedBy(
      facts,
      content.trees.map(({ path }) => path),
    );
    const command = dumpCommand(folder, group, view, watched, socketTableOf(pid));
    await using dump = await Dump.ready(folder, command, host);
    await dump.run(signal);
    await kept.prepare(folder, 1, signal);
    await kept.keep(signal);
    const files = await Promise.all(
      content.trees.map(({ path }, index) =>
        fingerprintTree(path, `${place.folder}/files-${index}`, host, signal),
      ),
    );
    const images = await fingerprintImages(
      await ownImages(folder, view, host, signal),
      ofFileOn(host, root, signal),
    );
    const entries = [...files.flat(), ...(await kept.fingerprint(signal)), ...images];
    yield* entries.toSorted((a, b) => (a.object < b.object ? -1 : 1));
  }

  /** Its network leads nowhere, before the release and after. */
  async rehearse(): Promise<Answers> {
    const { host, place, group, pid, context } = this.parts;
    await runScript(host, LET_RUN, [place.network, group], { signal: context.signal });
    return runningAnswers(host, `/run/netns/${place.network}`, enterTree(pid));
  }

  async release(): Promise<void> {
    if (this.released) return;
    const { spec, host, context, place, group, pid, options } = this.parts;
    const { signal } = new AbortController();
    await this.endPredecessor();
    const remembered = JSON.stringify({ restoreId: options.restoreId, pid, group, folder: place.folder });
    const tree = [place.network, group, String(pid), place.pidFile, place.record, remembered];
    const said = await runScript(host, RELEASE, [...tree, ...connectionArguments(spec)], { signal });
    this.released = true;
    warnOfSilentPorts(said, place.pidFile, host, context.logger);
  }

  /** What overwrite has allowed: the tree that the pid file names ends when this one takes its place. */
  private async endPredecessor(): Promise<void> {
    const { spec, host, place, options } = this.parts;
    if (!options.overwrite) return;
    const { signal } = new AbortController();
    const { tree } = await locate(spec, host, signal);
    if (tree) await runScript(host, END, [place.record, ...tree.pids.map(String)], { signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.released) await this.parts.drop();
  }
}
