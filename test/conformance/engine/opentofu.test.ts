import { describeWay } from './suite.ts';
import { HCL } from './ways/hcl.ts';
import { terraformWay } from './ways/terraform.ts';

await describeWay(terraformWay('OpenTofu', 'opentofu', async () => HCL));
