import { EGRESS } from '../../runtime/egress.ts';

/**
 * Called by CRIU, which tells the first process of what it restores. Before any connection is alive, a gate is put into
 * the container's network, which drops all that belongs to TCP: a segment that finds no other end yet would be answered
 * by a reset. It drops what goes out where it leaves by a device, which the kernel takes for congestion of its own, so
 * that neither keepalive nor a time-out ends a connection however long the others take (see the process driver's network).
 * When everything is restored and every task still stopped, the container's own control group is frozen, so that nothing
 * executes once CRIU lets go. What blocks the way out, where that is asked for, is there before the gate is.
 */
export const HOOK = `#!/bin/sh
${EGRESS}
[ -n "$CRTOOLS_INIT_PID" ] || exit 0
enter="nsenter --net=/proc/$CRTOOLS_INIT_PID/ns/net"
case $CRTOOLS_SCRIPT_ACTION in
post-restore)
  read -r egress < "\${0%/*}/egress" && { [ "$egress" = open ] || block_egress $enter; } || exit 1
  $enter nft list table inet stasis > /dev/null 2>&1 && exit 0
  devices=$($enter ip -o link show | sed 's/^[0-9]*: \\([^:@]*\\).*/"\\1"/' | paste -s -d ,)
  printf 'table inet stasis {\\nchain input {\\ntype filter hook input priority -300; policy accept;\\nmeta l4proto tcp drop\\n}\\n}\\ntable netdev stasis {\\nchain egress {\\ntype filter hook egress devices = { %s } priority 0; policy accept;\\nmeta l4proto tcp drop\\n}\\n}\\n' "$devices" |
    $enter nft -f - ;;
pre-resume)
  read -r groups < "\${0%/*}/groups" && group=$(sed -n 's/^0:://p' "/proc/$CRTOOLS_INIT_PID/cgroup")
  case $group in '' | /) exit 1 ;; esac
  echo 1 > "$groups$group/cgroup.freeze" ;;
esac
`;

/** FOLDER GROUPS HOOK EGRESS: what all restores of a member share. */
export const MAKE_FOLDER = `
mkdir -p -m 700 -- "$1" "$1/home/.criu" || exit 1
printf '%s\\n' "$2" > "$1/groups" && printf '%s\\n' "$4" > "$1/egress" || exit 1
printf %s "$3" > "$1/hook" && chmod 700 "$1/hook" || exit 1
printf 'action-script %s\\n' "$1/hook" > "$1/home/.criu/default.conf"
`;

/**
 * FOLDER IMPORT ID [POD]: podman makes the container and lets CRIU fill it; what CRIU says goes along where it fails. CRIU
 * leaves its own groups to a process that has none, and so may have none itself.
 */
export const RESTORE = `
folder=$1 import=$2 id=$3 pod=$4
tar --create --file="$import.tar" --directory="$import" . && rm -rf -- "$import" || exit 1
HOME="$folder/home" setpriv --clear-groups podman container restore --import "$import.tar" --ignore-volumes \\
  --tcp-established --file-locks \\
  \${pod:+--pod "$pod"} > "$folder/said" 2>&1
status=$?
rm -f -- "$import.tar"
[ $status = 0 ] && exit 0
place=$(podman container inspect --format '{{.StaticDir}}' -- "$id" 2> /dev/null)
{ grep -s Error "$place/restore.log" | grep -v RLIMIT_NOFILE; tail -n 1 "$folder/said"; } | head -n 5 >&2
exit 1
`;

/** Of a volume's folder, after podman has mounted it for the first time: PATH OWNER MODE PATH OWNER MODE … */
export const OWN_FOLDERS = `
while [ $# -gt 2 ]; do chown "$2" "$1" && chmod "$3" "$1" || exit 1; shift 3; done
`;

/** Where its fellows look for them: FILE PID…, the addresses of containers, one a line. */
export const TELL_ADDRESSES = `
file=$1; shift
mkdir -p -m 700 "\${file%/*}" || exit 1
for pid; do
  nsenter --net="/proc/$pid/ns/net" ip -o addr show scope global | while read -r n device family address rest; do
    case $family in inet | inet6) echo "\${address%/*}" ;; esac
  done
done | sort -u > "$file"
`;

/**
 * `reset_strangers ENTER…`: a connection of which no container of this host has the other end is reset, as its peer is
 * not here. Behind the gate, so that nobody hears of it.
 */
const RESET_STRANGERS = `
ends=
for pid in $(podman ps --no-trunc --format '{{.Pid}}' 2> /dev/null); do
  ends="$ends $(nsenter --net="/proc/$pid/ns/net" ss -Htn state established 2> /dev/null | while read -r r s local peer rest; do printf '%s|%s ' "$local" "$peer"; done)"
done
reset_strangers() {
  "$@" ss -Htn state established | while read -r r s local peer rest; do
    case " $ends " in *" $peer|$local "*) ;; *) "$@" ss -K src "$local" dst "$peer" > /dev/null 2>&1 ;; esac
  done
}
`;

/**
 * Lets containers run, cut off from all but themselves and their fellows: FILE GROUP PID GROUP PID …, FILE being that of
 * the member among those of its fellows. The gate stays, and lets through what is between them.
 */
export const LET_RUN = `
fellows=\${1%-*}; shift
${RESET_STRANGERS}
four=$(cat "$fellows"-* | grep -v : | paste -s -d ,) six=$(cat "$fellows"-* | grep : | paste -s -d ,)
between() {
  [ -z "$four" ] || echo "ip $1 { $four } accept"
  [ -z "$six" ] || printf '%s\\n' "ip6 $1 { $six } accept" 'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept'
}
narrow() {
  enter="nsenter --net=/proc/$1/ns/net"
  reset_strangers $enter
  devices=$($enter ip -o link show | sed 's/^[0-9]*: \\([^:@]*\\).*/\\1/' | grep -vx lo | sed 's/.*/"&"/' | paste -s -d ,)
  {
    printf 'table inet stasis\\ndelete table inet stasis\\ntable netdev stasis\\ndelete table netdev stasis\\n'
    printf 'table inet stasis {\\nchain input {\\ntype filter hook input priority -300; policy drop;\\niifname "lo" accept\\n'
    between saddr
    printf '}\\n}\\n'
    [ -z "$devices" ] || {
      printf 'table netdev stasis {\\nchain egress {\\ntype filter hook egress devices = { %s } priority 0; policy drop;\\nether type arp accept\\n' "$devices"
      between daddr
      printf '}\\n}\\n'
    }
  } | $enter nft -f -
}
groups=
while [ $# -gt 1 ]; do narrow "$2" || exit 1; groups="$groups $1"; shift 2; done
for group in $groups; do echo 0 > "$group/cgroup.freeze" || exit 1; done
`;

/** Lets containers go, which may run already: RECORD REMEMBERED FILE GROUP PID GROUP PID … The gates open. */
export const RELEASE = `
record=$1 remembered=$2 fellows=$3; shift 3
${RESET_STRANGERS}
lives() { [ -d "/proc/$1" ] || { echo 'a container has ended before it was released' >&2; return 1; }; }
open() {
  enter="nsenter --net=/proc/$1/ns/net"
  $enter nft list table inet stasis > /dev/null 2>&1 || return 0
  reset_strangers $enter
  printf 'delete table inet stasis\\ndelete table netdev stasis\\n' | $enter nft -f -
}
groups= pids=
while [ $# -gt 1 ]; do groups="$groups $1" pids="$pids $2"; shift 2; done
for pid in $pids; do lives "$pid" || exit 1; done
mkdir -p -m 700 "\${record%/*}" && printf '%s\\n' "$remembered" > "$record.new" && mv "$record.new" "$record" || exit 1
for pid in $pids; do open "$pid" || exit 1; done
for group in $groups; do echo 0 > "$group/cgroup.freeze" || exit 1; done
rm -f -- "$fellows"
`;

/** Ends and removes what is named as KIND:NAME, in this order. Idempotent: what is gone is fine. */
export const DROP = `
groups=$1; shift
for one in "$@"; do
  name=\${one#*:}
  case $one in
  container:*)
    podman container exists "$name" || continue
    pid=$(podman container inspect --format '{{.State.Pid}}' -- "$name" 2> /dev/null)
    group=$(sed -n 's/^0:://p' "/proc/\${pid:-0}/cgroup" 2> /dev/null)
    # Ended while it is frozen: it never runs.
    case $group in '' | /) ;; *) echo 1 > "$groups$group/cgroup.kill" ;; esac
    podman container rm --force --time 0 -- "$name" > /dev/null || exit 1 ;;
  pod:*) ! podman pod exists "$name" || podman pod rm --force --time 0 -- "$name" > /dev/null || exit 1 ;;
  volume:*) ! podman volume exists "$name" || podman volume rm -- "$name" > /dev/null || exit 1 ;;
  # Other members' containers may live in it: then it goes with the last of them.
  network:*)
    ! podman network exists "$name" || podman network rm -- "$name" > /dev/null 2>&1 ||
      podman ps --all --quiet --filter "network=$name" | grep -q . || exit 1 ;;
  image:*) podman image rm -- "$name" > /dev/null 2>&1 ;;
  folder:*) rm -rf -- "$name" || exit 1 ;;
  esac
done
exit 0
`;
