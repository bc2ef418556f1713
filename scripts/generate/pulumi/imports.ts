import { posix } from 'node:path';

type Files = ReadonlyMap<string, string>;

/**
 * Relative imports of the SDKs in Node and Python, mended. The generators count how far a file lies below the root by
 * a function of Go's (`filepath.Rel` to the empty path) whose answer newer Go has shortened: built with such a Go, a
 * host writes `./utilities` in `config/vars.ts` where `../utilities` is meant. What names no file from where it
 * stands, and does from the root, is meant from the root. An SDK that is right already stays as it is.
 */
export function mendImports(files: Files): Files {
  return new Map([...files].map(([path, text]) => [path, mend(files, path, text)]));
}

function mend(files: Files, path: string, text: string): string {
  const [language, name] = path.split('/');
  if (language === 'nodejs' && path.endsWith('.ts')) return mendNode(files, path, text);
  return path.endsWith('.py') ? mendPython(files, path, text, `${language}/${name}`) : text;
}

function mendNode(files: Files, path: string, text: string): string {
  const folder = posix.dirname(path);
  const isModule = (at: string) => files.has(`${at}.ts`) || files.has(`${at}/index.ts`);
  return text.replace(/ from "\.\/([^"]+)"/g, (whole, target: string) => {
    if (isModule(`${folder}/${target}`) || !isModule(`nodejs/${target}`)) return whole;
    return ` from "${posix.relative(folder, 'nodejs')}/${target}"`;
  });
}

function mendPython(files: Files, path: string, text: string, root: string): string {
  const folder = posix.dirname(path);
  const dots = '.'.repeat(1 + posix.relative(root, folder).split('/').filter(Boolean).length);
  return text.replace(/^( *from )\.( import (\w+))/gm, (whole, from: string, rest: string, name: string) => {
    const isHere = files.has(`${folder}/${name}.py`) || files.has(`${folder}/${name}/__init__.py`);
    return isHere || !files.has(`${root}/${name}.py`) ? whole : `${from}${dots}${rest}`;
  });
}
