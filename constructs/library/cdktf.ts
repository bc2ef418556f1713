import { TerraformResource } from 'cdktf';

/** What the constructs take from CDKTF; `cdktn.ts` gives the same from CDK Terrain. Nothing else imports either. */
export type {
  IInterpolatingParent,
  IResolvable,
  TerraformMetaArguments,
  TerraformVariableConfig,
} from 'cdktf';
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
} from 'cdktf';

/** A resource that can tell its library that it uses write-only attributes. CDKTF has no notion of them. */
export abstract class LibraryResource extends TerraformResource {
  protected writeOnly(value: unknown): unknown {
    return value;
  }
}
