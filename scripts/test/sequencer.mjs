import Sequencer from '@jest/test-sequencer';
import { longestFirst, readDurations } from './durations.ts';

/** Tells jest in which order to begin the files. JavaScript, as its types deny the class that it exports to modules. */
export default class LongestFirst extends Sequencer {
  async sort(tests) {
    return longestFirst(tests, await readDurations());
  }
}
