/** Whether a path lies in one of the folders. */
export function isWithin(path: string, folders: readonly string[] | undefined): boolean {
  return (folders ?? []).some((folder) => {
    const top = folder.replace(/\/+$/, '');
    return path === top || path.startsWith(`${top}/`);
  });
}
