/**
 * Where databases have no comment of their own, an empty procedure of this name has the mark of a restore as its
 * comment. It is nothing of the user's: no capture holds it, and a database that has nothing else is empty.
 */
export const MARK_ROUTINE = 'stasis_restore';
