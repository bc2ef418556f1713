/** A long proof: hundreds of runs of one claim; `npm test` holds a short form of each. */
export interface Proof {
  readonly name: string;
  readonly claim: string;
  /** `short` runs as few as still show the claim. */
  run(options: ProofOptions): Promise<ProofResult>;
}

export interface ProofOptions {
  readonly short: boolean;
  /** Only cases whose name has this in it, of proofs that have cases to choose from. */
  readonly only?: string | undefined;
  /** How often each case runs, of proofs that repeat their cases; as often as the claim wants it if not set. */
  readonly runs?: number | undefined;
  /** What is going on, for people; one line each. */
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

export function isChosen(caseName: string, { only }: ProofOptions): boolean {
  return only === undefined || caseName.includes(only);
}

export interface ProofResult {
  readonly name: string;
  readonly runs: number;
  /** Runs that contradict the claim; the proof holds when there is none. */
  readonly failures: number;
  readonly figures: Readonly<Record<string, string | number>>;
  /** What each failure was. */
  readonly complaints: readonly string[];
  /** One line a case, for the table. */
  readonly cases: readonly ProofCase[];
}

export interface ProofCase {
  readonly name: string;
  readonly runs: number;
  readonly failures: number;
  /** How it came out: `judged not sharp 12 times, failed 8 times`. */
  readonly outcome: string;
}
