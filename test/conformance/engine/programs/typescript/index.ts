// A program of the suite in TypeScript: the real classes of the SDK, with what `model.json` says.
import { readFileSync } from 'node:fs';
import * as pulumi from '@pulumi/pulumi';
import * as stasis from '@stasis-iac/stasis';
import type {
  ComparisonModel,
  DrillModel,
  MemberModel,
  Program,
  ResourceModel,
  RestoreModel,
  SnapshotModel,
  Text,
} from './program';

/** The class of a cloud's database, as an SDK would have it. */
class Database extends pulumi.CustomResource {
  declare public readonly url: pulumi.Output<string>;

  constructor(name: string, args: { wanted: pulumi.Input<string> }, options?: pulumi.CustomResourceOptions) {
    super('standin:index:Database', name, { ...args, url: undefined }, options);
  }
}

const config = new pulumi.Config();
const snapshots = new Map<string, stasis.Snapshot>();
const databases = new Map<string, Database>();

function textOf(text: Text): pulumi.Input<string> {
  if (typeof text === 'string') return text;
  if ('secret' in text) return config.requireSecret(text.secret);
  const [id, attribute] = text.from;
  const database = databases.get(id);
  if (database !== undefined) return database.url;
  const snapshot = snapshots.get(id);
  if (snapshot === undefined || attribute !== 'reference')
    throw new Error(`nothing gives ${id}.${attribute}`);
  return snapshot.reference;
}

function memberOf({ postgres, redis, files }: MemberModel): stasis.types.input.MemberArgs {
  return {
    ...(postgres && { postgres: { ...postgres, url: textOf(postgres.url) } }),
    ...(redis && { redis: { url: textOf(redis.url) } }),
    ...(files && { files: { path: textOf(files.path) } }),
  };
}

function membersOf(members: Readonly<Record<string, MemberModel>>) {
  return Object.fromEntries(Object.entries(members).map(([name, member]) => [name, memberOf(member)]));
}

function optionsOf({ formerly, imports }: ResourceModel): pulumi.CustomResourceOptions {
  return {
    ...(formerly !== undefined && { aliases: [{ name: formerly }] }),
    ...(imports !== undefined && { import: imports }),
  };
}

function snapshotOf(model: SnapshotModel): void {
  const { id, name, store, triggers, maxPauseMs, deletionPolicy, probes = {} } = model;
  const args: stasis.SnapshotArgs = {
    ...{ name, store, triggers, maxPauseMs, deletionPolicy },
    members: membersOf(model.members),
    probes: Object.fromEntries(
      Object.entries(probes).map(([key, probe]) => [key, { ...probe, command: [...probe.command] }]),
    ),
  };
  snapshots.set(id, new stasis.Snapshot(id, args, optionsOf(model)));
}

function restoreOf(model: RestoreModel): void {
  const { id, store, triggers } = model;
  const args: stasis.RestoreArgs = {
    ...{ store, triggers },
    snapshot: textOf(model.snapshot),
    members: membersOf(model.members),
  };
  new stasis.Restore(id, args, optionsOf(model));
}

function drillOf(model: DrillModel): void {
  const { id, store, triggers, sign, maxAge } = model;
  const args: stasis.DrillArgs = {
    ...{ store, triggers, sign, maxAge },
    snapshot: textOf(model.snapshot),
    members: membersOf(model.members),
  };
  new stasis.Drill(id, args, optionsOf(model));
}

function comparisonOf(model: ComparisonModel): void {
  const { id, store, triggers, maxAge, other, members } = model;
  const args: stasis.ComparisonArgs = {
    ...{ store, triggers, maxAge },
    snapshot: textOf(model.snapshot),
    ...(other !== undefined && { other: textOf(other) }),
    ...(members && { members: membersOf(members) }),
  };
  new stasis.Comparison(id, args, optionsOf(model));
}

const { resources } = JSON.parse(readFileSync('model.json', 'utf8')) as Program;
for (const model of resources)
  if (model.kind === 'Database')
    databases.set(model.id, new Database(model.id, { wanted: textOf(model.wanted) }));
  else if (model.kind === 'Snapshot') snapshotOf(model);
  else if (model.kind === 'Drill') drillOf(model);
  else if (model.kind === 'Comparison') comparisonOf(model);
  else restoreOf(model);
