// A program of the suite with the constructs, for either library: the real classes, with what `model.json` says.

import { App, DataResource, TerraformStack, TerraformVariable } from '{library}';
import { readFileSync } from 'node:fs';
import {
  Comparison,
  Drill,
  Member,
  Restore,
  SecretVariable,
  Snapshot,
  StasisProvider,
} from '@stasis-iac/constructs/{library}';
import type { Construct } from 'constructs';
import type {
  ComparisonModel,
  DrillModel,
  MemberModel,
  Program,
  RestoreModel,
  SnapshotModel,
  Text,
} from './program.ts';

const [outdir, createDatabase] = process.argv.slice(2) as [string, string];

class Stack extends TerraformStack {
  private readonly variables = new Map<string, string>();
  private readonly snapshots = new Map<string, Snapshot>();
  private readonly databases = new Map<string, DataResource>();

  constructor(scope: Construct, id: string, { resources }: Program) {
    super(scope, id);
    new StasisProvider(this, 'stasis');
    for (const model of resources)
      if (model.kind === 'Database') this.database(model.id, model.wanted.secret);
      else if (model.kind === 'Snapshot') this.snapshot(model);
      else if (model.kind === 'Drill') this.drill(model);
      else if (model.kind === 'Comparison') this.comparison(model);
      else this.restore(model);
  }

  /** Stands in for a cloud. What a resource keeps in the state cannot be ephemeral. */
  private database(id: string, secret: string): void {
    const url = new TerraformVariable(this, secret, { type: 'string', sensitive: true }).stringValue;
    const provisioners = [
      { type: 'local-exec' as const, command: createDatabase, environment: { DATABASE_URL: url } },
    ];
    this.databases.set(id, new DataResource(this, id, { input: { url }, provisioners }));
  }

  private snapshot(model: SnapshotModel): void {
    const { id, name, store, triggers, probes, maxPauseMs, deletionPolicy } = model;
    const members = this.members(model.members);
    const snapshot = new Snapshot(this, id, {
      ...{ name, members, store, triggers, probes, maxPauseMs, deletionPolicy },
    });
    if (model.formerly !== undefined) snapshot.moveFromId(`stasis_snapshot.${model.formerly}`);
    if (model.imports !== undefined) snapshot.importFrom(model.imports);
    this.snapshots.set(id, snapshot);
  }

  private restore({ id, snapshot, members, store, triggers }: RestoreModel): void {
    new Restore(this, id, {
      ...{ store, triggers },
      snapshot: this.text(snapshot),
      members: this.members(members),
    });
  }

  private drill({ id, snapshot, members, store, triggers, sign, maxAge }: DrillModel): void {
    new Drill(this, id, {
      ...{ store, triggers, sign, maxAge },
      snapshot: this.text(snapshot),
      members: this.members(members),
    });
  }

  private comparison({ id, snapshot, other, members, store, triggers, maxAge }: ComparisonModel): void {
    new Comparison(this, id, {
      ...{ store, triggers, maxAge },
      snapshot: this.text(snapshot),
      ...(other !== undefined && { other: this.text(other) }),
      ...(members && { members: this.members(members) }),
    });
  }

  private members(members: Readonly<Record<string, MemberModel>>): Record<string, Member> {
    return Object.fromEntries(Object.entries(members).map(([name, member]) => [name, this.member(member)]));
  }

  private member({ postgres, redis, files }: MemberModel): Member {
    const made = {
      ...(postgres && Member.postgres({ ...postgres, url: this.text(postgres.url) })),
      ...(redis && Member.redis({ url: this.text(redis.url) })),
      ...(files && Member.files({ path: this.text(files.path) })),
    };
    // Where the model has none or two, the compiler would not let it pass.
    return made as Member;
  }

  private text(text: Text): string {
    if (typeof text === 'string') return text;
    if ('secret' in text) return this.variable(text.secret);
    const [id, attribute] = text.from;
    const database = this.databases.get(id);
    if (database !== undefined) return database.output.lookup('url');
    const snapshot = this.snapshots.get(id);
    if (snapshot === undefined || attribute !== 'reference')
      throw new Error(`nothing gives ${id}.${attribute}`);
    return snapshot.reference;
  }

  private variable(name: string): string {
    const known = this.variables.get(name) ?? new SecretVariable(this, name).stringValue;
    this.variables.set(name, known);
    return known;
  }
}

const targetVersions = { terraform: '>=1.11.0', opentofu: '>=1.11.0' };
const app = new App({ outdir, context: { targetVersions } });
new Stack(app, 'engine', JSON.parse(readFileSync('model.json', 'utf8')) as Program);
app.synth();
