import { isUtf8 } from 'node:buffer';
import { StasisError } from '../../core/errors.ts';

/**
 * A path of a file system is bytes; a manifest, a fingerprint and a message are text. The text of a path is its
 * UTF-8 with what would not survive or would deceive a reader escaped: a backslash as `\\`, a byte that is no UTF-8
 * as `\xff`, a control or direction character as `\u{1b}`. Different paths have different texts.
 */
export function textOfPath(path: Uint8Array): string {
  if (isUtf8(path)) return escapeText(Buffer.from(path).toString('utf8'));
  const parts: string[] = [];
  let from = 0;
  for (let at = 0; at < path.length; ) {
    const length = sequenceLength(path, at);
    if (length === 0) {
      parts.push(escapeText(Buffer.from(path.subarray(from, at)).toString('utf8')));
      parts.push(`\\x${path[at]!.toString(16).padStart(2, '0')}`);
      from = at + 1;
    }
    at += Math.max(1, length);
  }
  parts.push(escapeText(Buffer.from(path.subarray(from)).toString('utf8')));
  return parts.join('');
}

/** @throws StasisError `files.malformed-path` when no path has this text. */
export function pathOfText(text: string): Buffer {
  const parts: Buffer[] = [];
  let from = 0;
  for (const match of text.matchAll(/\\(?:(\\)|x([0-9a-f]{2})|u\{([0-9a-f]{1,6})\})/g)) {
    parts.push(Buffer.from(text.slice(from, match.index)));
    if (match[1] !== undefined) parts.push(Buffer.from('\\'));
    else if (match[2] !== undefined) parts.push(Buffer.from([Number.parseInt(match[2], 16)]));
    else parts.push(Buffer.from(String.fromCodePoint(Math.min(0x10ffff, Number.parseInt(match[3]!, 16)))));
    from = match.index + match[0].length;
  }
  parts.push(Buffer.from(text.slice(from)));
  const path = Buffer.concat(parts);
  // Only one text stands for a path: what would be written differently was not written by us.
  if (textOfPath(path) !== text)
    throw new StasisError('files.malformed-path', `"${escapeText(text)}" is not the text of a path.`);
  return path;
}

/** Backslash; C0, DEL and C1 controls; line and paragraph separators; marks that turn the reading direction. */
const ESCAPED = /[\\\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\ufeff]/gu;

function escapeText(text: string): string {
  return text.replace(ESCAPED, (character) =>
    character === '\\' ? '\\\\' : `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}

/** Length of the well-formed UTF-8 sequence that starts here (RFC 3629, table 3-7 of Unicode), or 0. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at]!;
  if (lead < 0x80) return 1;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  const sequence = bytes.subarray(at, at + length);
  return sequence.length === length && isUtf8(sequence) ? length : 0;
}
