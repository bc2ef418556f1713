/** What the SDKs are called in each language's world. */
export const NODE_PACKAGE = '@stasis-iac/stasis';
export const PYTHON_PACKAGE = 'pulumi_stasis';
/** sdk/go.mod is its module. */
export const GO_PACKAGE = 'github.com/stasis-iac/stasis/sdk/go/stasis';
