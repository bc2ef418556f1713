import type { Construct } from 'constructs';
import { TerraformVariable, type TerraformVariableConfig } from '#cdk';

/** What a SecretVariable is given. */
export type SecretVariableProps = Pick<TerraformVariableConfig, 'description' | 'validation'>;

/**
 * A text that is given when the program is applied (`TF_VAR_…`, a file of variables) and is kept nowhere: Terraform
 * neither prints it nor writes it into state or plan. A URL with a password in it is one.
 *
 * @example
 * const ordersUrl = new SecretVariable(this, 'orders_url');
 * Member.postgres({ url: ordersUrl.stringValue });
 */
export class SecretVariable extends TerraformVariable {
  constructor(scope: Construct, id: string, props: SecretVariableProps = {}) {
    super(scope, id, { ...props, type: 'string', sensitive: true, nullable: false });
    // Neither library has a property for it.
    this.addOverride('ephemeral', true);
  }
}
