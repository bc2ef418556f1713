import { dirname } from 'node:path';
import { ensureTool, findTool, type Missing, type ToolName } from '../setup/tools.ts';

/** The languages of Pulumi programs; a host for each is a program of its own beside the CLI. */
export type PulumiLanguage = 'nodejs' | 'python' | 'go' | 'yaml';

/** The CLI, and where it and the hosts of the languages asked for are found. */
export interface PulumiTools {
  readonly program: string;
  /** To be put in front of PATH. */
  readonly folders: readonly string[];
}

/** What is here already, without building anything. */
export function findPulumi(...languages: readonly PulumiLanguage[]): Promise<PulumiTools | Missing> {
  return collect(languages, findTool);
}

/** The same, built now if it is not here. */
export function ensurePulumi(...languages: readonly PulumiLanguage[]): Promise<PulumiTools | Missing> {
  return collect(languages, ensureTool);
}

async function collect(
  languages: readonly PulumiLanguage[],
  get: (name: ToolName) => Promise<string | Missing>,
): Promise<PulumiTools | Missing> {
  const program = await get('pulumi');
  if (typeof program !== 'string') return program;
  const folders = [dirname(program)];
  for (const language of languages) {
    const host = await get(`pulumi-language-${language}`);
    if (typeof host !== 'string') return host;
    folders.push(dirname(host));
  }
  return { program, folders: [...new Set(folders)] };
}

/**
 * The environment of a CLI that neither uses nor touches the user's own settings, and asks nothing of any network:
 * its own folder, its state below `state` (which must be there), secrets encrypted with a passphrase.
 */
export function pulumiEnvironment(
  { folders }: PulumiTools,
  place: { readonly home: string; readonly state: string; readonly passphrase: string },
): Readonly<Record<string, string>> {
  return {
    PATH: [...folders, process.env.PATH ?? ''].join(':'),
    PULUMI_HOME: place.home,
    PULUMI_BACKEND_URL: `file://${place.state}`,
    PULUMI_CONFIG_PASSPHRASE: place.passphrase,
    PULUMI_SKIP_UPDATE_CHECK: 'true',
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: 'true',
    PULUMI_DISABLE_REGISTRY_RESOLVE: 'true',
    PULUMI_SKIP_CONFIRMATIONS: 'true',
  };
}
