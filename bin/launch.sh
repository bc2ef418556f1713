# Sourced by the launchers beside it, with `root` (the package's folder) and `entry` (a bundle's name) set.
# What it does is told on stderr: a plugin's stdout is its protocol.

# Ends with a reason. A plugin's first line on stdout that is no handshake is all that Terraform shows to its user.
cannot_start() {
  echo "stasis: $1" >&2
  if [ "$entry" != stasis ]; then echo "stasis cannot start: $1"; fi
  exit 1
}

node=
for candidate in "$root/node_modules/node/bin/node" "$root/../node/bin/node"; do
  if [ -x "$candidate" ]; then
    node=$candidate
    break
  fi
done

# In a checkout the sources lead: bundle them when they are newer than the bundle, or when there is none yet.
if [ -f "$root/scripts/build.ts" ]; then
  bundled="$root/dist/.build.json"
  if [ -z "$node" ] || [ ! -f "$root/dist/$entry.mjs" ] || [ ! -f "$bundled" ] ||
    [ -n "$(find "$root/provider" "$root/package-lock.json" -newer "$bundled" \( -name '*.ts' ! -name '*.test.ts' -o -name package-lock.json \)  -print | head -n 1)" ]; then
    sh "$root/scripts/with-node.sh" scripts/build.ts >&2 ||
      cannot_start "its sources in $root cannot be bundled; 'npm run build' there says why"
    node="$root/node_modules/node/bin/node"
  fi
fi

if [ -z "$node" ]; then
  node=$(command -v node || :)
  if [ -z "$node" ] || [ "$("$node" -p 'process.versions.node.split(".")[0] >= 24')" != true ]; then
    cannot_start "Node 24 is not here; install the npm package 'node' beside $root, or Node 24 on PATH"
  fi
fi

if [ ! -f "$root/dist/$entry.mjs" ]; then
  cannot_start "$root/dist/$entry.mjs is not there: this installation is damaged; install the npm package 'stasis' again"
fi

# Compiled code is kept: a fifth less to do at every start.
if [ -z "${NODE_COMPILE_CACHE:-}" ] && [ -n "${XDG_CACHE_HOME:-${HOME:-}}" ]; then
  NODE_COMPILE_CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/stasis/compiled"
  export NODE_COMPILE_CACHE
fi
exec "$node" --disable-warning=ExperimentalWarning "$root/dist/$entry.mjs" "$@"
