import { snakeCase } from '../../../provider/engines/terraform/naming.ts';
import { isSecret, type Prepared } from './example.ts';
import { PYTHON_PACKAGE } from './languages.ts';
import { layOut, type Piece, type Style } from './layout.ts';
import type { Property, PulumiType } from './types.ts';

const STYLE: Style = { indent: '    ', padding: '', aligned: false };

/** A resource or component in Python. */
export function pythonResource(name: string, example: Prepared): string {
  const label = { key: '', value: JSON.stringify(example.label) };
  const items = [label, ...keywordsOf(example)];
  return program(example, layOut({ open: `stasis.${name}(`, close: ')', broken: true, items }, STYLE));
}

/** A look-up in Python. */
export function pythonFunction(name: string, example: Prepared): string {
  const items = keywordsOf(example);
  const call = { open: `stasis.${snakeCase(name)}_output(`, close: ')', items };
  return program(example, `found = ${layOut(call, STYLE)}`);
}

function program({ secrets }: Prepared, body: string): string {
  const imports = `import ${PYTHON_PACKAGE} as stasis\n`;
  if (secrets.length === 0) return `${imports}\n${body}\n`;
  return `import pulumi\n${imports}\nconfig = pulumi.Config()\n\n${body}\n`;
}

function keywordsOf({ properties, values }: Prepared): { key: string; value: Piece }[] {
  return presentIn(properties, values).map(({ name, type }) => ({
    key: `${snakeCase(name)}=`,
    value: pieceOf(type, values[name]),
  }));
}

function presentIn(properties: readonly Property[], values: object): readonly Property[] {
  return properties.filter(({ name }) => name in values);
}

/** Properties are in snake case; keys of maps are the user's own. */
function pieceOf(type: PulumiType, value: unknown): Piece {
  if (isSecret(value)) return `config.require_secret("${value.config}")`;
  if (type.kind === 'list')
    return `[${(value as readonly unknown[]).map((item) => layOut(pieceOf(type.element, item), STYLE)).join(', ')}]`;
  if (type.kind === 'map') {
    const items = Object.entries(value as object).map(([key, item]) => ({
      key: `${JSON.stringify(key)}: `,
      value: pieceOf(type.element, item),
    }));
    return { open: '{', close: '}', items };
  }
  if (type.kind === 'object') {
    const given = value as Readonly<Record<string, unknown>>;
    const items = presentIn(type.properties, given).map((one) => ({
      key: `"${snakeCase(one.name)}": `,
      value: pieceOf(one.type, given[one.name]),
    }));
    return { open: '{', close: '}', items };
  }
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return JSON.stringify(value);
}
