module stasis-conformance

go 1.25.0

require (
	github.com/pulumi/pulumi/sdk/v3 v3.259.0
	github.com/stasis-iac/stasis/sdk v0.1.0
)
