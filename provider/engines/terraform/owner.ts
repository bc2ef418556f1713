import { readFileSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';

/**
 * Who the snapshots of this project belong to where no state says otherwise: the root module's folder, which is our
 * working folder, and the workspace. It is the same when a state was lost, so that the project finds its own again.
 */
export function projectOwner(workingFolder: string, environment: NodeJS.ProcessEnv): string {
  const workspace = environment.TF_WORKSPACE || chosenWorkspace(workingFolder, environment);
  const folder = realpathSync(workingFolder);
  return workspace === 'default' ? `terraform:${folder}` : `terraform:${folder}:${workspace}`;
}

/** `terraform workspace select` keeps its choice in this file. */
function chosenWorkspace(workingFolder: string, environment: NodeJS.ProcessEnv): string {
  try {
    const folder = resolve(workingFolder, environment.TF_DATA_DIR || '.terraform');
    return readFileSync(join(folder, 'environment'), 'utf8').trim() || 'default';
  } catch {
    return 'default';
  }
}
