import { describeWay } from './suite.ts';
import { pulumiWay } from './ways/pulumi.ts';
import { GO } from './ways/pulumi-languages.ts';

await describeWay(pulumiWay('Pulumi in Go', GO));
