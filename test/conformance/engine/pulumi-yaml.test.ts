import { describeWay } from './suite.ts';
import { pulumiWay } from './ways/pulumi.ts';
import { YAML } from './ways/pulumi-yaml.ts';

await describeWay(pulumiWay('Pulumi in YAML', YAML));
