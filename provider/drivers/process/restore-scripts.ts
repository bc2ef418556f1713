import { EGRESS } from '../../runtime/egress.ts';
import { JOURNAL } from '../../runtime/sockets.ts';
import { CONNECT } from './connect.ts';

/**
 * The scripts of a restore. Each runs on the target's host; what varies comes as arguments.
 *
 * The network of a restore is a fresh namespace with the addresses that the processes knew, and a gate that drops what
 * belongs to the connections that are being restored: one whose other end is not there yet would be reset by the kernel.
 * Nothing else is dropped, as CRIU connects to itself to learn what the kernel can. It is dropped on its way out, which
 * the kernel takes for congestion of its own: it asks again, and counts nothing as lost, so that neither keepalive nor a
 * time-out ends a connection however long the others take (tcp_keepalive_timer, net/ipv4/tcp_timer.c). A connection to others is restored
 * only where there is a route to its other end; this one leads nowhere.
 *   NETWORK EGRESS, then addresses, and pairs of ports as pair:PORT.PORT
 * The way out is blocked or opened before anything is in there that could speak.
 */
export const MAKE_NETWORK = `
${EGRESS}
network=$1 egress=$2; shift 2
mkdir -p /run/stasis
exec 9> /run/stasis/network.lock && flock -w 20 9 || exit 1
if [ ! -e "/run/netns/$network" ]; then
  ip netns add "$network" && ip -n "$network" link set lo up || exit 1
  ip -n "$network" route add default dev lo || exit 1
fi
# Gone with the release of another member, where a restore goes on of which a part was released.
if ! ip netns exec "$network" nft list table netdev stasis > /dev/null 2>&1; then
  printf 'table netdev stasis {\\nset held {\\ntype inet_service . inet_service\\n}\\nchain egress {\\ntype filter hook egress device "lo" priority 0; policy accept;\\ntcp sport . tcp dport @held drop\\n}\\n}\\n' |
    ip netns exec "$network" nft -f - || exit 1
fi
case $egress in
blocked) block_egress ip netns exec "$network" || exit 1 ;;
open) open_egress ip netns exec "$network" || exit 1 ;;
esac
for address in "$@"; do
  case $address in pair:*)
    pair=\${address#pair:}
    ip netns exec "$network" nft add element netdev stasis held \
      "{ \${pair%.*} . \${pair#*.}, \${pair#*.} . \${pair%.*} }" || exit 1
    continue ;;
  esac
  case $address in 127.* | 0.0.0.0 | '[0:0:0:0:0:0:0:0]' | '[0:0:0:0:0:0:0:1]' | '') continue ;; esac
  address=\${address#[}; address=\${address%]}
  ip -n "$network" address replace "$address" dev lo || exit 1
done
`;

/**
 * Called by CRIU when everything is restored and every task still stopped: puts them into their group, which is frozen,
 * so that none executes anything once CRIU lets go.
 */
export const HOOK = `#!/bin/sh
[ "$CRTOOLS_SCRIPT_ACTION" = pre-resume ] || exit 0
for p in /proc/[0-9]*; do
  p=\${p#/proc/}
  case $p in 1 | $$ | $PPID) continue ;; esac
  echo "$p" > "$STASIS_GROUP/cgroup.procs" || exit 1
done
`;

/**
 * The first process of the fresh namespaces: restores, then waits, takes in what is orphaned, and ends with the tree.
 *   FOLDER GROUP HIGHEST PLACE COMMAND LOG [SOURCE TARGET]... -- [MEMORY-FOLDER]...
 * Numbers up to HIGHEST belong to the tree, so that our own helpers get higher ones. Each source is mounted at its
 * target. Folders in memory become file systems of the tree's own, with what was captured of them, which lies below
 * PLACE/memory; of those that everybody shares, what is below them stays in sight. So do the images, wherever they lie.
 * LOG is what led to the journal, or into pipes that others read, by CRIU's name, or empty: it leads to the journal here,
 * under the name COMMAND, or where there is none, to nowhere. What was only reset would end the tree with its next line
 * (SIGPIPE).
 */
const INIT = `
folder=$1 group=$2 highest=$3 place=$4 command=$5 log=$6; shift 6
fail() { echo "$1" >> "$folder/said"; echo 1 > "$folder/status"; exit 1; }
mount -t proc proc /proc || fail 'proc cannot be mounted'
[ ! -d /dev/pts ] || mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts /dev/pts || fail '/dev/pts cannot be mounted'
mkdir -p "$place/images" && mount --bind "$folder" "$place/images" || fail 'the images cannot be mounted'
folder=$place/images
while [ "$1" != -- ]; do
  mkdir -p -- "$2" && mount --bind -- "$1" "$2" || fail "$2 cannot be mounted"
  shift 2
done
shift
below() {
  for entry in "$place/covered"/*; do
    name=\${entry##*/}
    if [ -L "$entry" ]; then cp -P -- "$entry" "$1/$name"
    elif [ -d "$entry" ]; then mkdir "$1/$name" && mount --rbind "$entry" "$1/$name"
    elif [ -e "$entry" ] && [ ! -S "$entry" ] && [ ! -e "$place/memory$1/$name" ]; then
      : > "$1/$name" && mount --bind "$entry" "$1/$name"
    fi
  done
}
for memory in "$@"; do
  mkdir -p -- "$memory" "$place/covered" && mount --rbind -- "$memory" "$place/covered" &&
    mount -t tmpfs tmpfs "$memory" || fail "$memory cannot be mounted"
  case $memory in /run | /dev) below "$memory" ;; esac
  umount -l "$place/covered"
  kept=$place/memory$memory
  chown --reference "$kept" -- "$memory" && chmod --reference "$kept" -- "$memory" &&
    find "$kept" -mindepth 1 -maxdepth 1 ! -type d -exec cp -a -t "$memory" -- {} + || fail "$memory cannot be filled"
done
echo $((highest + 1000)) > /proc/sys/kernel/ns_last_pid
export STASIS_GROUP="$group"
set -- setpriv --clear-groups criu restore --restore-detached --images-dir "$folder" --log-file restore.log -v2 \\
  --pidfile "$folder/restored.pid" \\
  --tcp-established --ext-unix-sk --file-locks --manage-cgroups=ignore --action-script "$place/hook"
[ -z "$log" ] || set -- "$@" --inherit-fd "fd[3]:$log"
if [ -z "$log" ]; then "$@" >> "$folder/said" 2>&1
elif [ -S ${JOURNAL} ] && command -v systemd-cat > /dev/null; then
  systemd-cat --identifier="$command" sh -c 'exec 3>&1 >> "$0" 2>&1; exec "$@"' "$folder/said" "$@"
else "$@" 3>> /dev/null >> "$folder/said" 2>&1
fi
status=$?
# Who is told how it went takes the images away, and with them the number of the tree's first process, a line with no end.
[ $status != 0 ] || read -r root < "$folder/restored.pid" || [ -n "$root" ] || status=1
[ $status != 0 ] || : > "$place/restored"
echo $status > "$folder/status.new"
mv "$folder/status.new" "$folder/status"
[ $status = 0 ] || exit 1
cd /
umount -l "$folder"
exec < /dev/null > /dev/null 2>&1
while kill -0 "$root"; do sleep 2 & wait $!; done
`;

/**
 * FOLDER NETWORK GROUP UPTIME HIGHEST PLACE COMMAND LOG, and what follows for the first process: prints how it went. Whoever
 * starts that process waits for its end, and then takes away what was made for the tree; a lock keeps that from meeting the
 * next restore into the same place.
 */
export const START = `
folder=$1 network=$2 group=$3 uptime=$4 highest=$5 place=$6 command=$7 log=$8; shift 8
mkdir -p /run/stasis
exec 8> "/run/stasis/\${group##*/}.lock" && flock -w 20 8 || exit 1
mkdir -p "$group" && echo 1 > "$group/cgroup.freeze" || exit 1
read -r now rest < /proc/uptime
offset=$((\${uptime%.*} + 1 - \${now%.*}))
keep='group=$1 place=$2 network=$3; shift 3
"$@" 8>&-
[ ! -f "$place/restored" ] || exec sh -c "$(cat "$place/drop")" stasis-drop "$group" "$place" "$network"'
setsid sh -c "$keep" stasis-keeper "$group" "$place" "$network" \\
  nsenter --net="/run/netns/$network" unshare --mount --pid --uts --ipc --time \\
  --monotonic "$offset" --boottime "$offset" --fork \\
  sh -c '${INIT.replaceAll("'", `'\\''`)}' stasis-restored "$folder" "$group" "$highest" "$place" "$command" "$log" "$@" \\
  < /dev/null > "$folder/said" 2>&1 &
first=$!
while [ ! -f "$folder/status" ] && kill -0 $first 2> /dev/null; do sleep 0.01; done
[ -f "$folder/status" ] && read -r status < "$folder/status" || status=1
echo "status $status"
[ "$status" = 0 ] || { cat "$folder/said"; grep Error "$folder/restore.log" | grep -v RLIMIT_NOFILE; }
exit 0
`;

/**
 * Of a tree that was let go: NETWORK EGRESS GROUP, and `ports` with those of its host that lead to it where it is to be
 * connected. Its network has gone where it has ended. Prints what `connect` does.
 */
export const SET_EGRESS = `
${EGRESS}
${CONNECT}
network=$1 egress=$2 group=$3; shift 3
mkdir -p /run/stasis
exec 9> /run/stasis/network.lock && flock -w 20 9 || exit 1
[ -e "/run/netns/$network" ] || exit 0
case $egress in
blocked) block_egress ip netns exec "$network" || exit 1 ;;
open) open_egress ip netns exec "$network" || exit 1 ;;
esac
case $1 in
ports) shift; connect "$network" "$group" "$@" ;;
*) disconnect "$network" "$group" ;;
esac
`;

/** GROUP OWNPID: the tree's root as the host numbers it. */
export const FIND_ROOT = `
while read -r p; do
  while read -r key numbers; do
    [ "$key" = NSpid: ] && [ "\${numbers##*[!0-9]}" = "$2" ] && echo "$p" && exit 0
  done < "/proc/$p/status"
done < "$1/cgroup.procs"
exit 1
`;

/**
 * The gate of a network opens for all members at once; what was connected to others than members is reset, as its other
 * end is not here, while nothing leads out yet.
 */
const OPEN_GATE = `
mkdir -p /run/stasis
exec 9> /run/stasis/network.lock && flock -w 20 9 || exit 1
if ip netns exec "$network" nft list table netdev stasis > /dev/null 2>&1; then
  locals=$(ip netns exec "$network" ss -Htna | while read -r state r s local peer; do echo " $local "; done)
  ip netns exec "$network" ss -Htn state established | while read -r r s local peer rest; do
    case $locals in *" $peer "*) ;; *) ip netns exec "$network" ss -K src "$local" dst "$peer" > /dev/null 2>&1 ;; esac
  done
  ip netns exec "$network" nft delete table netdev stasis || exit 1
fi
`;

/** Lets a tree run, in a network that leads nowhere: NETWORK GROUP. Idempotent. */
export const LET_RUN = `
network=$1 group=$2
${OPEN_GATE}
echo 0 > "$group/cgroup.freeze"
`;

/**
 * Lets a tree go, which may run already: NETWORK GROUP PID PIDFILE RECORD REMEMBERED, and `ports` with those of its host
 * that lead to it where it is to be connected. Prints what `connect` does.
 */
export const RELEASE = `
${CONNECT}
network=$1 group=$2 pid=$3 file=$4 record=$5 remembered=$6; shift 6
[ -d "/proc/$pid" ] || { echo 'the processes have ended before they were released' >&2; exit 1; }
${OPEN_GATE}
[ "$1" != ports ] || { shift; connect "$network" "$group" "$@" || exit 1; }
mkdir -p "$(dirname "$file")" || exit 1
printf '%s\\n' "$remembered" > "$record.new" && mv "$record.new" "$record" || exit 1
printf '%s\\n' "$pid" > "$file.new" && mv "$file.new" "$file" || exit 1
echo 0 > "$group/cgroup.freeze"
`;

/** Ends a tree: RECORD PID... A restored one takes its group with it. */
export const END = `
record=$1; shift
for p in "$@"; do kill -9 "$p" 2> /dev/null; done
n=0
for p in "$@"; do while [ -d "/proc/$p" ] && [ $n -lt 500 ]; do n=$((n + 1)); sleep 0.01; done; done
rm -f -- "$record"
`;

/**
 * Undoes all of it: GROUP FOLDER NETWORK. Idempotent. The first process of the namespaces is known by its argument, so
 * that one whose start was never heard of is found as well; with it everything in them ends. The network goes with the
 * last that lives in it.
 */
export const DROP = `
${CONNECT}
group=$1 folder=$2 network=$3
if [ -d "$group" ]; then echo 1 > "$group/cgroup.kill"; echo 0 > "$group/cgroup.freeze"; fi
ours=
for p in $(ip netns pids "$network" 2> /dev/null); do
  tr '\\0' '\\n' < "/proc/$p/cmdline" 2> /dev/null | grep -qxF -e "$group" || continue
  kill -9 "$p"
  ours="$ours $p"
done
n=0
for p in $ours; do while [ -d "/proc/$p" ] && [ $n -lt 500 ]; do n=$((n + 1)); sleep 0.01; done; done
while [ -d "$group" ] && ! rmdir "$group" 2> /dev/null && [ $n -lt 500 ]; do n=$((n + 1)); sleep 0.01; done
rm -rf -- "$folder"
mkdir -p /run/stasis
rm -f "/run/stasis/\${group##*/}.lock"
exec 9> /run/stasis/network.lock && flock -w 20 9 || exit 1
disconnect "$network" "$group"
[ -e "/run/netns/$network" ] || exit 0
[ -n "$(ip netns pids "$network")" ] || ip netns delete "$network"
exit 0
`;
