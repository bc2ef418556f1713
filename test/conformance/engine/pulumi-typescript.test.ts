import { describeWay } from './suite.ts';
import { pulumiWay } from './ways/pulumi.ts';
import { TYPESCRIPT } from './ways/pulumi-languages.ts';

await describeWay(pulumiWay('Pulumi in TypeScript', TYPESCRIPT));
