/** Control characters, and what steers a terminal or hides text in it: in names of files and keys anything may stand. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** The text with every unprintable character as an escape; in ASCII, every other foreign one too. */
export function printable(text: string, ascii = false): string {
  const visible = text.replace(UNPRINTABLE, escapeCharacter);
  return ascii ? visible.replace(/[^\x20-\x7e]/gu, escapeCharacter) : visible;
}

function escapeCharacter(character: string): string {
  if (character === '\n') return '\\n';
  if (character === '\t') return '\\t';
  const code = character.codePointAt(0) ?? 0;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
}

/** `1 member`, `3 members`, `1,204 objects`. */
export function count(amount: number, singular: string, plural = `${singular}s`): string {
  return `${amount.toLocaleString('en-US')} ${amount === 1 ? singular : plural}`;
}

/** `2026-11-23 06:03:11.123 UTC`. */
export function formatWallClock(iso: string): string {
  const match = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2}(?:\.\d{3})?)\d*Z$/.exec(iso);
  return match ? `${match[1]} ${match[2]} UTC` : printable(iso);
}
