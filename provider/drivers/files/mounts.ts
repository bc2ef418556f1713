import { sep } from 'node:path';

export const MOUNTS_FILE = '/proc/self/mountinfo';

export interface Mount {
  /** Latin-1 text of its bytes, as all that is compared with it has to be. */
  readonly point: string;
  /** `major:minor` of what is mounted. */
  readonly numbers: string;
  readonly type: string;
  readonly options: string;
}

/**
 * proc_pid_mountinfo(5), read as Latin-1: third field the device, fifth the mount point, and after ` - ` come type,
 * source and options. Later lines lie over earlier ones.
 */
export function mountsIn(text: string): Mount[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [before = '', after = ''] = line.split(' - ');
      const [, , numbers = '', , point = ''] = before.split(' ');
      const [type = '', , options = ''] = after.split(' ');
      return { point: unescapeOctal(point), numbers, type, options: unescapeOctal(options) };
    });
}

/** What a path lies below, the nearest first. */
export function mountsAbove(mounts: readonly Mount[], path: string): Mount[] {
  return mounts
    .filter(({ point }) => isWithin(path, point))
    .reverse()
    .sort((a, b) => b.point.length - a.point.length);
}

/** Where an overlay writes. */
export function upperFolder({ type, options }: Mount): string | undefined {
  return type === 'overlay' ? options.match(/(?:^|,)upperdir=([^,]+)/)?.[1] : undefined;
}

function unescapeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
