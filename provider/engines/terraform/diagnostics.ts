import type { StasisError } from '../../core/errors.ts';
import type { Redact } from '../redaction.ts';
import type { Attribute } from './schema/attributes.ts';
import { attributePath, formatPath } from './values/paths.ts';
import { type Message, SEVERITY } from './wire/messages.ts';

/**
 * Errors and warnings as the engine shows them: the sentence, at the user's own line, and below it the hint, the
 * place and the code. The engine points at the attribute's line only, so that a place within it is said in words.
 */
export function diagnosticsOf(
  errors: readonly StasisError[],
  attributes: readonly Attribute[],
  redact: Redact,
): readonly Message<'Diagnostic'>[] {
  return errors.map((error) => {
    const attribute = attributePath(attributes, error.at);
    const place = attribute === undefined ? '' : `at ${formatPath(attribute)}, `;
    const detail = [error.hint, `(${place}code ${error.code})`].filter((part) => part !== undefined);
    return {
      severity: error.severity === 'warning' ? SEVERITY.warning : SEVERITY.error,
      summary: redact(error.message),
      detail: redact(detail.join('\n\n')),
      ...(attribute === undefined ? {} : { attribute }),
    };
  });
}

export function hasErrors(errors: readonly StasisError[]): boolean {
  return errors.some((error) => error.severity === 'error');
}
