/**
 * What a terminal shows after this was written to it, line by line, without colours. Of all that terminals can do it
 * knows the end of a line, cursor up, and clearing to the end of the screen.
 *
 * @throws Error for any other escape sequence
 */
export function shownOnTerminal(text: string): string[] {
  const introducer = String.fromCharCode(27);
  const lines: string[] = [''];
  let row = 0;
  for (const part of text.split(new RegExp(`(${introducer}\\[\\d*[A-Za-z]|\\r?\\n|\\r)`))) {
    const sequence = part.startsWith(introducer) ? part.slice(2) : undefined;
    if (part.endsWith('\n')) {
      row += 1;
      lines[row] ??= '';
    } else if (sequence?.endsWith('A')) row = Math.max(0, row - Number(sequence.slice(0, -1)));
    else if (sequence === 'J') lines.splice(row, Number.POSITIVE_INFINITY, '');
    else if (sequence?.endsWith('m') || part === '\r') continue;
    else if (sequence !== undefined) throw new Error(`an escape sequence that is not known: ${sequence}`);
    else lines[row] += part;
  }
  return lines.filter((line) => line !== '');
}
