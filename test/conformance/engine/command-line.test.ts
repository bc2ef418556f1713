import { describeWay } from './suite.ts';
import { COMMAND_LINE } from './ways/command-line.ts';

await describeWay(COMMAND_LINE);
