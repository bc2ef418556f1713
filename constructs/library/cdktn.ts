import { TerraformResource } from 'cdktn';

/** What the constructs take from CDK Terrain; `cdktf.ts` gives the same from CDKTF. Nothing else imports either. */
export type {
  IInterpolatingParent,
  IResolvable,
  TerraformMetaArguments,
  TerraformVariableConfig,
} from 'cdktn';
export {
  Annotations,
  ComplexList,
  ComplexMap,
  ComplexObject,
  ImportableResource,
  TerraformDataSource,
  TerraformProvider,
  TerraformVariable,
  Token,
} from 'cdktn';

/**
 * A resource that can tell its library that it uses write-only attributes: CDK Terrain then checks that the versions
 * of Terraform and OpenTofu which the project targets know them.
 */
export abstract class LibraryResource extends TerraformResource {
  protected writeOnly(value: unknown): unknown {
    return this.markWriteOnlyAttribute(value);
  }
}
