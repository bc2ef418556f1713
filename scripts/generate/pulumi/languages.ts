/** What the SDKs are called in each language's world. */
export const NODE_PACKAGE = '@stasis-iac/stasis';
export const PYTHON_PACKAGE = 'pulumi_stasis';
export const GO_MODULE = 'github.com/stasis-iac/stasis/sdk/go/stasis';
