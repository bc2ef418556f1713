import type { Disk } from '../facts.ts';
import { UNDER_WAY } from '../memory/save.ts';
import { exportName, type Names } from '../names.ts';
import type { Access } from './access.ts';
import { type Arguments, lineOf } from './conversation.ts';

/**
 * What the watchdog runs: WORDS... FOLDER TOKEN LINE...
 * It ends our own connection first, as QEMU serves one client at a time, then says its lines; jobs end some time after
 * they are told to, and a saving that is being cancelled keeps its settings, so it is run again until nothing with our
 * token is left in QEMU and the settings are as they were. Where QEMU is gone, all is. The folder may be gone already:
 * the watchdogs of one capture clean up after each other. The guest's agent answers only when the VM runs: it is told
 * to thaw meanwhile.
 */
const RESCUE = `
folder=$1 token=$2; shift 2
free "$folder/relay.pid"
thaw "$folder" &
thawing=$!
said=$(talk "$@")
wait $thawing || ! alive || exit 1
! printf '%s' "$said" | grep -qE '"status": *"(${UNDER_WAY.join('|')})"' || exit 1
left=$(talk '{"execute":"query-jobs"}' '{"execute":"query-named-block-nodes"}' '{"execute":"query-block-exports"}')
case $left in *"$token"*) exit 1 ;; esac
rm -rf -- "$folder"
exit 0
`;

export interface Undo {
  readonly names: Names;
  readonly folder: string;
  readonly disks: readonly Disk[];
  /** Settings of migration that were changed, as they were: commands with their arguments. None where no memory is saved. */
  readonly settings: readonly (readonly [command: string, args: Arguments])[];
}

/** argv of a rescue; one that is to let the VM go on says so first. */
export function rescueOf({ functions, words }: Access, undo: Undo, resume: boolean): string[] {
  const lines = [...(resume ? [lineOf('cont')] : []), ...cleaning(undo)];
  const script = `${functions}\n${RESCUE}`;
  return ['sh', '-c', script, 'stasis-rescue', ...words, undo.folder, undo.names.token, ...lines];
}

function cleaning({ names, disks, settings }: Undo): string[] {
  const written = disks.filter(({ readOnly }) => !readOnly);
  // QEMU refuses settings while it saves, so they come after the answer that says whether it still does.
  const saving = [lineOf('migrate_cancel'), lineOf('query-migrate')];
  return [
    ...(settings.length > 0 ? saving : []),
    ...settings.map(([command, args]) => lineOf(command, args)),
    ...disks.map((_, index) => lineOf('block-export-del', { id: exportName(names, index), mode: 'hard' })),
    ...(disks.length > 0 ? [lineOf('nbd-server-stop')] : []),
    ...written.map((_, index) => lineOf('job-cancel', { id: names.job(index) })),
    ...written.map((_, index) => lineOf('blockdev-del', { 'node-name': names.node(index) })),
    ...written.flatMap((disk) => {
      // The recording that was stopped at the cut has missed what was written since: it goes, too.
      const from = names.recordingOf(disk);
      const gone = [names.bitmap, ...(from ? [from.name] : [])];
      return gone.map((name) => lineOf('block-dirty-bitmap-remove', { node: disk.node, name }));
    }),
  ];
}
