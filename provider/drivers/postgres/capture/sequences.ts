import { lost, lostIfGone } from '../connect/faults.ts';
import { batches, type Rows, text } from '../connect/sql.ts';
import { listSequences, type Sequence, type SequencePosition, tableName } from './tables.ts';

const SEQUENCES_A_QUERY = 200;

/**
 * No snapshot covers a sequence: its position is read now, after the mark, and so is never behind the rows that
 * the mark shows. One that was restarted since then has another file.
 * @throws StasisError `cut.lost`
 */
export async function readSequences(rows: Rows): Promise<SequencePosition[]> {
  const sequences = await listSequences(rows);
  const positions: SequencePosition[] = [];
  try {
    for (const batch of batches(sequences, SEQUENCES_A_QUERY))
      positions.push(...(await positionsOf(rows, batch)));
  } catch (error) {
    throw lostIfGone(error);
  }
  return positions;
}

async function positionsOf(rows: Rows, sequences: readonly Sequence[]): Promise<SequencePosition[]> {
  const queries = sequences.map(
    (sequence, index) => `SELECT ${index} AS index, last_value::text AS last, is_called AS called,
      pg_catalog.pg_relation_filenode(${sequence.oid}::pg_catalog.oid)::text AS file FROM ${tableName(sequence)}`,
  );
  const found = await rows(`${queries.join(' UNION ALL ')} ORDER BY 1`);
  return found.map((row, index) => {
    const sequence = sequences[index]!;
    if (text(row, 'file') !== sequence.fileNode) throw lost(`the sequence ${sequence.label} was restarted`);
    return {
      schema: sequence.schema,
      name: sequence.name,
      label: sequence.label,
      lastValue: text(row, 'last'),
      isCalled: row.called === true,
    };
  });
}
