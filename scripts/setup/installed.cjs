// Succeeds when node_modules holds what package-lock.json asks for. Runs under any Node, before ours is there.
'use strict';
const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '../..');
const read = (name) => JSON.parse(readFileSync(join(root, name), 'utf8')).packages;
const wanted = read('package-lock.json');
const installed = read('node_modules/.package-lock.json');

const differs = Object.entries(wanted).some(([place, { version, optional }]) => {
  if (place === '') return false;
  const found = installed[place];
  return found === undefined ? !optional : found.version !== version;
});
process.exit(differs ? 1 : 0);
