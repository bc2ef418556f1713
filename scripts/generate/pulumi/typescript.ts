import type { Values } from '../../../provider/core/resource.ts';
import { isSecret, type Prepared } from './example.ts';
import { NODE_PACKAGE } from './languages.ts';
import { layOut, type Piece, type Style } from './layout.ts';

const STYLE: Style = { indent: '    ', padding: ' ', aligned: false };

/** A resource or component in TypeScript. */
export function typescriptResource(name: string, example: Prepared): string {
  const args = argumentsOf(`new stasis.${name}(${JSON.stringify(example.label)}, {`, example);
  return program(example, `${layOut(args, STYLE)};`);
}

/** A look-up in TypeScript. */
export function typescriptFunction(name: string, example: Prepared): string {
  return program(example, `const found = ${layOut(argumentsOf(`stasis.${name}Output({`, example), STYLE)};`);
}

function program({ secrets }: Prepared, body: string): string {
  const imports = `import * as stasis from "${NODE_PACKAGE}";\n`;
  if (secrets.length === 0) return `${imports}\n${body}\n`;
  return `import * as pulumi from "@pulumi/pulumi";\n${imports}\nconst config = new pulumi.Config();\n\n${body}\n`;
}

function argumentsOf(open: string, { values }: Prepared): Piece {
  return { open, close: '})', broken: true, items: itemsOf(values) };
}

function itemsOf(values: Values): { key: string; value: Piece }[] {
  return Object.entries(values).map(([key, value]) => ({
    key: `${/^[A-Za-z_]\w*$/.test(key) ? key : JSON.stringify(key)}: `,
    value: pieceOf(value),
  }));
}

function pieceOf(value: unknown): Piece {
  if (isSecret(value)) return `config.requireSecret("${value.config}")`;
  if (Array.isArray(value)) return `[${value.map((item) => layOut(pieceOf(item), STYLE)).join(', ')}]`;
  if (typeof value === 'object' && value !== null)
    return { open: '{', close: '}', items: itemsOf(value as Values) };
  return JSON.stringify(value);
}
