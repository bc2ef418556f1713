/** A line of the generated bindings is at most this long. */
const LINE_MAX_LENGTH = 110;

/** A doc comment, broken into lines of words. */
export function doc(text: string, indent = ''): string {
  const safe = text.replaceAll('*/', '*\\/').replaceAll('\n', ' ');
  const single = `${indent}/** ${safe} */`;
  if (single.length <= LINE_MAX_LENGTH) return single;
  const lines: string[] = [''];
  for (const word of safe.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`;
    if (indent.length + 2 + longer.length > LINE_MAX_LENGTH) lines.push(` ${word}`);
    else lines[lines.length - 1] = longer;
  }
  return [`${indent}/**`, ...lines.map((line) => `${indent} *${line}`), `${indent} */`].join('\n');
}

/** `StasisSnapshot` of `stasis_snapshot`, `MaxPauseMs` of `maxPauseMs`. */
export function pascalCase(name: string): string {
  return name.replace(/(?:^|_)([a-z0-9])/g, (_match, first: string) => first.toUpperCase());
}

/** `STASIS_SNAPSHOT` of `StasisSnapshot`. */
export function constantCase(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase();
}
