/** One word for a POSIX shell, whatever is in it. A shell cannot take NUL, and neither can an argument. */
export function quote(word: string): string {
  if (word.includes('\0')) throw new RangeError('a word with a NUL in it');
  return `'${word.replaceAll("'", "'\\''")}'`;
}

export function quoteAll(words: readonly string[]): string {
  return words.map(quote).join(' ');
}
