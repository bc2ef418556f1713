import { describeWay } from './suite.ts';
import { openCdk } from './ways/cdk.ts';
import { terraformWay } from './ways/terraform.ts';

await describeWay(terraformWay('CDK Terrain', 'opentofu', () => openCdk('cdktn')));
