import type { Place, StasisError } from '../../core/errors.ts';
import { type Redact, redacting } from '../redaction.ts';
import type { Attribute } from './schema/attributes.ts';
import type { RawObject } from './values/dynamic-value.ts';
import { attributePath, formatPath } from './values/paths.ts';
import { walk } from './values/walk.ts';
import { type Message, SEVERITY } from './wire/messages.ts';

/** What errors are about: a block of the configuration, with the secrets in it that none may show. */
export interface Scope {
  readonly attributes: readonly Attribute[];
  readonly redact: Redact;
  /** Where the secrets are. */
  readonly secretPlaces: readonly Place[];
}

/** @param config empty where there is none: on refresh, import and removal */
export function scopeOf(attributes: readonly Attribute[], config: RawObject): Scope {
  const secrets = [...walk(attributes, config)].filter(({ sensitive, raw }) => sensitive && raw !== null);
  return {
    attributes,
    redact: redacting(secrets.flatMap(({ raw }) => (typeof raw === 'string' ? [raw] : []))),
    secretPlaces: secrets.map(({ at }) => at),
  };
}

/**
 * Errors and warnings as the engine shows them: the sentence, at the user's own line, and below it the hint, the
 * place and the code.
 */
export function diagnosticsOf(
  errors: readonly StasisError[],
  scope: Scope,
): readonly Message<'Diagnostic'>[] {
  return errors.map((error) => {
    const path = attributePath(scope.attributes, error.at);
    const place = path === undefined ? '' : `at ${formatPath(path)}, `;
    const detail = [error.hint, `(${place}code ${error.code})`].filter((part) => part !== undefined);
    const attribute = attributePath(scope.attributes, shownPlace(error.at, path, scope));
    return {
      severity: error.severity === 'warning' ? SEVERITY.warning : SEVERITY.error,
      summary: scope.redact(error.message),
      detail: scope.redact(detail.join('\n\n')),
      ...(attribute === undefined ? {} : { attribute }),
    };
  });
}

/**
 * The place whose line the engine is to print. The engines find the line of an attribute, and of an element in it by
 * its key; for what lies deeper in nested attributes they fall back to the block's first line, so we end there. And
 * they print the line as the user wrote it: where a secret may stand on it, it has to be the block's first line.
 */
function shownPlace(at: Place, path: Message<'AttributePath'> | undefined, scope: Scope): Place {
  const shown = at.slice(0, path?.steps?.[1]?.attributeName === undefined ? 2 : 1);
  const besideSecret = scope.secretPlaces.some((secret) =>
    shown.every((step, index) => secret[index] === step),
  );
  return besideSecret ? [] : shown;
}

export function hasErrors(errors: readonly StasisError[]): boolean {
  return errors.some((error) => error.severity === 'error');
}
