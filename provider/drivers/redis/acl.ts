/** An ACL user as ACL LIST shows it. */
export interface AclUser {
  readonly name: string;
  /** What it may do, in one form for all versions, without its passwords. */
  readonly rights: string;
}

/** The login that everybody has who gives none; it belongs to the server, not to its data. */
const DEFAULT_USER = 'default';

/** What newer versions say where older ones say nothing. */
const DEFAULTS = new Set(['sanitize-payload', 'resetchannels', 'alldbs']);

/** The users of an ACL LIST but `default`, by lines in latin1, so that every byte is kept. */
export function aclUsers(lines: readonly string[]): (AclUser & { readonly rules: readonly string[] })[] {
  return lines
    .map((line) => line.split(' '))
    .filter(([word, name]) => word === 'user' && name !== undefined && name !== DEFAULT_USER)
    .map(([, name, ...rules]) => ({ name: name!, rights: rightsOf(rules), rules }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Passwords are access, not state: a target may give its users others. */
function rightsOf(rules: readonly string[]): string {
  return rules.filter((rule) => !rule.startsWith('#') && !DEFAULTS.has(rule)).join(' ');
}

/** The rules for ACL SETUSER; selectors, which have blanks in them, are one argument each. */
export function ruleArguments(rules: readonly string[]): string[] {
  const found: string[] = ['reset'];
  let selector: string[] | undefined;
  for (const rule of rules) {
    if (rule.startsWith('(') && !rule.endsWith(')')) selector = [rule];
    else if (selector) {
      selector.push(rule);
      if (!rule.endsWith(')')) continue;
      found.push(selector.join(' '));
      selector = undefined;
    } else found.push(rule);
  }
  return found;
}
