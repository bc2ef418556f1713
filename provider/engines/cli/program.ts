import { Command, Option } from 'commander';
import { REPORT_FORMATS } from '../../report/formats.ts';
import { capture } from './commands/capture.ts';
import { compare } from './commands/compare.ts';
import { doctor } from './commands/doctor.ts';
import { drill, verifyDrill } from './commands/drill.ts';
import { INSTALLABLE, install } from './commands/install.ts';
import { list, show } from './commands/look.ts';
import { pin, unpin } from './commands/pins.ts';
import { plan } from './commands/plan.ts';
import { type ReportOptions, report } from './commands/report.ts';
import { type RestoreOptions, restore } from './commands/restore.ts';
import { verify } from './commands/verify.ts';
import type { ExitStatus } from './exit.ts';
import type { GlobalOptions, Invocation } from './invocation.ts';
import { LOG_LEVELS } from './log.ts';

/** Runs one command's work, once the command line is understood. */
export type Run = (
  options: GlobalOptions,
  work: (invocation: Invocation) => Promise<ExitStatus>,
) => Promise<void>;

export interface ProgramOptions {
  readonly version: string;
  /** The folder of this package. */
  readonly root: string;
  readonly run: Run;
}

const AFTER_HELP = `
A snapshot is named shop (the newest), shop:3 (a generation) or shop@sha256:… (exactly one).
A file of inputs is YAML with the inputs of a Snapshot or a Restore under their own names;
\${NAME} in a value is replaced by the environment's variable. Paths are seen from where you are.

Exit status: 0 done, 1 failed, 2 wrong use or input (nothing was touched), 3 done but drifted, 130 interrupted.`;

/** The commands, their arguments and options; what each does is in commands/. */
export function makeProgram({ version, root, run }: ProgramOptions): Command {
  const program = new Command('stasis')
    .description(
      'Preserves running applications: captures every stateful part at one instant, and brings it back to life.',
    )
    .version(version, '--version', 'print the version')
    .option('--store <place>', 'where snapshots live: a folder (else $STASIS_STORE, else ./snapshots)')
    .option('--json', 'print exactly one JSON object on stdout')
    .option('--no-color', 'no colours, as with NO_COLOR set')
    .addOption(
      new Option('--log-level <level>', 'what is logged to stderr').choices(LOG_LEVELS).default('warn'),
    )
    .helpOption('-h, --help', 'print this')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('after', AFTER_HELP)
    .exitOverride();
  const perform = (command: Command, work: (invocation: Invocation) => Promise<ExitStatus>): Promise<void> =>
    run(command.optsWithGlobals<GlobalOptions>(), work);

  program
    .command('capture')
    .description('capture the next generation of a snapshot')
    .requiredOption('-f, --file <file>', 'inputs of the Snapshot, or - for standard input')
    .option('--adopt', "take the name over where it is another owner's, as an import does")
    .action((options: { file: string; adopt?: boolean }, command: Command) =>
      perform(command, (it) => capture(it, options)),
    );
  program
    .command('restore')
    .description('bring a snapshot back to life, and say whether it is the same')
    .argument('[reference]', 'the snapshot, unless the file says')
    .requiredOption('-f, --file <file>', 'inputs of the Restore, or - for standard input')
    .option(
      '--report <file>',
      'where to write a report of it, .html, .json or .md, as the input "report" says',
    )
    .action((reference: string | undefined, options: RestoreOptions, command: Command) =>
      perform(command, (it) => restore(it, reference, options)),
    );
  program
    .command('drill')
    .description('rehearse a restore into scratch targets, take it down again, and certify what it found')
    .argument('[reference]', 'the snapshot, unless the file says')
    .requiredOption('-f, --file <file>', 'inputs of the Drill, or - for standard input')
    .option('--key <file>', 'the private key that signs, as the input "sign" says')
    .option('--report <file>', 'where to write a report of it, .html, .json or .md')
    .action((reference: string | undefined, options: Parameters<typeof drill>[2], command: Command) =>
      perform(command, (it) => drill(it, reference, options)),
    );
  program
    .command('verify-drill')
    .description('say which drills of a snapshot a key has signed for, and whether the newest has passed')
    .argument('<reference>')
    .requiredOption('--key <file>', 'the public key')
    .option('--max-age <age>', 'how old the drill may be: 30d, 12h')
    .action((reference: string, options: Parameters<typeof verifyDrill>[2], command: Command) =>
      perform(command, (it) => verifyDrill(it, reference, options)),
    );
  program
    .command('plan')
    .description('say what a capture would do, or with a snapshot a restore; reads only')
    .argument('[reference]', 'the snapshot to restore')
    .requiredOption('-f, --file <file>', 'inputs of the Snapshot or Restore, or - for standard input')
    .action((reference: string | undefined, options: { file: string }, command: Command) =>
      perform(command, (it) => plan(it, reference, options)),
    );
  program
    .command('list')
    .description('list the names in the store, or the snapshots of one name')
    .argument('[name]')
    .action((name: string | undefined, _options: object, command: Command) =>
      perform(command, (it) => list(it, name)),
    );
  program
    .command('show')
    .description('show one snapshot: its cut, its members, what is outside it')
    .argument('<reference>')
    .action((reference: string, _options: object, command: Command) =>
      perform(command, (it) => show(it, reference)),
    );
  program
    .command('report')
    .description('write a report on one snapshot: a page to look at, JSON, or Markdown for a comment')
    .argument('<reference>')
    .option('-o, --output <file>', 'where to: .html, .json or .md, or - for standard output', '-')
    .addOption(
      new Option('--format <format>', "unless the file's name says; Markdown on standard output").choices(
        REPORT_FORMATS,
      ),
    )
    .option('--outcome <file>', 'what "stasis restore --json" or "stasis compare --json" printed of it')
    .action((reference: string, options: ReportOptions, command: Command) =>
      perform(command, (it) => report(it, reference, options)),
    );
  program
    .command('verify')
    .description('judge the proof of a snapshot, or of all, again, and hash every stored byte')
    .argument('[reference]', 'the snapshot; all that is in the store unless said')
    .action((reference: string | undefined, _options: object, command: Command) =>
      perform(command, (it) => verify(it, reference)),
    );
  program
    .command('compare')
    .description('compare two snapshots, one with what runs now, or two applications that run')
    .argument('[references...]', 'snapshots')
    .option(
      '-f, --file <file>',
      'running members, as in the inputs of a Snapshot; given twice, two applications',
      (file: string, before: readonly string[]) => [...before, file],
      [] as readonly string[],
    )
    .action((references: readonly string[], options: { file: readonly string[] }, command: Command) =>
      perform(command, (it) => compare(it, references, options.file)),
    );
  program
    .command('pin')
    .description('keep a snapshot from being removed')
    .argument('<reference>')
    .option('--note <note>', 'why, for people')
    .action((reference: string, options: { note?: string }, command: Command) =>
      perform(command, (it) => pin(it, reference, options)),
    );
  program
    .command('unpin')
    .description('let a pinned snapshot go')
    .argument('<reference>')
    .option('--by <pin>', 'which pin, as "stasis list" shows it; all of users unless said')
    .action((reference: string, options: { by?: string }, command: Command) =>
      perform(command, (it) => unpin(it, reference, options)),
    );
  program
    .command('doctor')
    .description('say what this machine can capture, and what is missing')
    .option('-f, --file <file>', 'inputs of a Snapshot: the same of each of its hosts')
    .action((options: { file?: string }, command: Command) => perform(command, (it) => doctor(it, options)));
  program
    .command('install')
    .description('put the plugin where terraform, tofu or pulumi finds it')
    .addArgument(program.createArgument('<engine>').choices(INSTALLABLE))
    .action((engine: (typeof INSTALLABLE)[number], _options: object, command: Command) =>
      perform(command, (it) => install(it, engine, root)),
    );
  return program;
}
