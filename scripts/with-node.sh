#!/bin/sh
# Runs a script of ours under the Node 24 that npm installed, whatever Node the machine has.
# On a fresh clone it first installs the npm packages from the lock file.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
node="$root/node_modules/node/bin/node"
lock="$root/package-lock.json"
installed="$root/node_modules/.package-lock.json"

# Times alone may deceive: a checkout touches the lock file without a change, so the contents decide.
up_to_date() {
  [ -f "$installed" ] || return 1
  [ "$lock" -nt "$installed" ] || return 0
  node "$root/scripts/setup/installed.cjs" && touch "$installed"
}

if ! up_to_date; then
  echo "stasis: installing the npm packages of package-lock.json" >&2
  (cd "$root" && npm ci --no-fund --no-audit --loglevel=error >&2)
fi
if [ ! -x "$node" ] && [ -f "$root/node_modules/node/installArchSpecificPackage.js" ]; then
  # Where npm runs no install scripts (ignore-scripts, npm 12), this one has to run all the same: it brings Node.
  echo "stasis: fetching Node $(node -p "require('$root/node_modules/node/package.json').version")" >&2
  (cd "$root/node_modules/node" && npm_config_ignore_scripts=true node installArchSpecificPackage.js >&2)
fi
if [ ! -x "$node" ]; then
  echo "stasis: npm's package 'node' brought no binary for this machine ($(uname -sm))" >&2
  exit 1
fi
script=$1
shift
exec "$node" --disable-warning=ExperimentalWarning "$root/$script" "$@"
