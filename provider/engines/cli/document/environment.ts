import { StasisError } from '../../../core/errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const REFERENCE = /\$(\$?)\{([^}]*)\}/g;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * The text with every `${NAME}` replaced by the variable's value and every `$${` by `${`. An empty variable counts as
 * set: some passwords are empty. `position` is of the value, for the error.
 *
 * @throws StasisError `document.variable-missing`, `document.variable-malformed`
 */
export function substitute(text: string, environment: Environment, position: () => object): string {
  return text.replaceAll(REFERENCE, (whole: string, escaped: string, name: string) => {
    if (escaped !== '') return whole.slice(1);
    if (!NAME.test(name))
      throw new StasisError(
        'document.variable-malformed',
        'What stands in the braces of a "$" is no name of a variable.',
        {
          hint: `Write \${DATABASE_URL}, or $\${…} for the text itself.`,
          details: { position: position() },
        },
      );
    const value = environment[name];
    if (value === undefined)
      throw new StasisError('document.variable-missing', `The environment has no variable ${name}.`, {
        hint: `Set it: export ${name}=…`,
        details: { position: position() },
      });
    return value;
  });
}
