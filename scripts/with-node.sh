#!/bin/sh
# Runs a script of ours under the Node 24 that npm installed, whatever Node the machine has.
# On a fresh clone it first installs the npm packages from the lock file.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
node="$root/node_modules/node/bin/node"
if [ ! -x "$node" ] || [ "$root/package-lock.json" -nt "$root/node_modules/.package-lock.json" ]; then
  echo "stasis: installing the npm packages of package-lock.json" >&2
  (cd "$root" && npm ci --no-fund --no-audit >&2)
fi
if [ ! -x "$node" ]; then
  echo "stasis: npm's package 'node' brought no binary for this machine ($(uname -sm))" >&2
  exit 1
fi
script=$1
shift
exec "$node" --disable-warning=ExperimentalWarning "$root/$script" "$@"
