import { describeWay } from './suite.ts';
import { pulumiWay } from './ways/pulumi.ts';
import { PYTHON } from './ways/pulumi-languages.ts';

await describeWay(pulumiWay('Pulumi in Python', PYTHON));
