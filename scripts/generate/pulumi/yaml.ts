import { stringify } from 'yaml';
import { isSecret, type Prepared } from './example.ts';

/** A resource or component in Pulumi's YAML. */
export function yamlResource(token: string, example: Prepared): string {
  return text(example, {
    resources: { [example.label]: { type: token, properties: withReferences(example.values) } },
  });
}

/** A look-up in Pulumi's YAML. */
export function yamlFunction(token: string, example: Prepared): string {
  return text(example, {
    variables: {
      found: { 'fn::invoke': { function: token, arguments: withReferences(example.values) } },
    },
  });
}

function text({ secrets }: Prepared, program: object): string {
  const configuration = Object.fromEntries(secrets.map((key) => [key, { type: 'string', secret: true }]));
  return stringify({
    name: 'shop',
    runtime: 'yaml',
    ...(secrets.length === 0 ? {} : { config: configuration }),
    ...program,
  });
}

function withReferences(value: unknown): unknown {
  if (isSecret(value)) return `\${${value.config}}`;
  if (Array.isArray(value)) return value.map(withReferences);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withReferences(item)]));
}
