/**
 * Connects the network namespace of a restore with its host, as functions for scripts that run there and hold
 * /run/stasis/network.lock.
 *   connect NETWORK GROUP [PROTOCOL,ADDRESS,PORT,INSIDE]...   idempotent; names ports inside that nobody listens on
 *   disconnect NETWORK GROUP                                  idempotent
 *
 * A pair of linked devices leads from the host into the namespace, and goes with it. Its addresses are link-local
 * (RFC 3927), out of a part that no cloud has anything in that we know of (169.254.64.0 to 169.254.127.255). Each member
 * has tables of nft of its own, `stasis_…` of its group, on the host and inside:
 * - on the host, what arrives at a port, or is sent to one by the host itself, is led inside; its sender is kept, but where
 *   it is an address that exists inside as well (the original's host), or loopback. What comes from inside bears the
 *   host's address;
 * - inside, what arrives is led to the address that is listened on, also where that is loopback; what leaves bears the
 *   link's address, also where a program insists on its original's.
 * Who has which port is written down in /run/stasis/ports, for the plan of the next restore.
 */
export const CONNECT = `
link_of() { echo "st-\${1#stasis-}"; }
table_of() { echo "\${1##*/}" | tr - _; }
subnet() {
  low=$((($1 % 64) * 4))
  near=169.254.$((64 + $1 / 64)).$((low + 1))
  far=169.254.$((64 + $1 / 64)).$((low + 2))
}
link_up() {
  link=$(link_of "$1")
  # One that somebody began and was killed over has no address at its far end.
  if [ -z "$(ip -n "$1" -4 -o address show dev out0 up 2> /dev/null)" ]; then
    ip link delete "$link" 2> /dev/null
    digits=\${1#stasis-}
    slot=$((0x\${digits%"\${digits#???}"}))
    subnet $slot
    while [ -n "$(ip -4 route show "$near/30")" ]; do slot=$(((slot + 1) % 4096)); subnet $slot; done
    ip link add "$link" type veth peer name out0 netns "$1" || return 1
    ip address add "$near/30" dev "$link" && ip link set "$link" up || return 1
    echo 1 > "/proc/sys/net/ipv4/conf/$link/route_localnet" || return 1
    ip netns exec "$1" sh -c 'echo 1 > /proc/sys/net/ipv4/conf/out0/route_localnet' || return 1
    ip -n "$1" link set out0 up && ip -n "$1" address add "$far/30" dev out0 || return 1
  fi
  near=$(ip -4 -o address show dev "$link" | sed 's/.* inet \\([0-9.]*\\).*/\\1/')
  far=\${near%.*}.$((\${near##*.} + 1))
  ip -n "$1" route replace default via "$near" dev out0
}
listener() {
  case $2 in tcp) kind=t ;; udp) kind=u ;; esac
  ip netns exec "$1" ss -Hln$kind "sport = :$3" | while read -r state r s local rest; do echo "\${local%:*}"; done | head -n 1
}
connect() {
  network=$1 group=$2 table=$(table_of "$2"); shift 2
  link_up "$network" || return 1
  outer= inner= taken=
  for one in "$@"; do
    IFS=, read -r protocol address port inside << END
$one
END
    to="$protocol dport $port dnat to $far:$inside;"
    case $address in -) outer="$outer fib daddr type local $to" ;; *) outer="$outer ip daddr $address $to" ;; esac
    bound=$(listener "$network" "$protocol" "$inside")
    case $bound in
    '') echo "$protocol $inside" ;;
    0.0.0.0 | '*' | '['*) ;;
    *) inner="$inner iifname \\"out0\\" $protocol dport $inside dnat to \${bound%%%*}:$inside;" ;;
    esac
    taken="$taken$protocol $address $port
"
  done
  twins=$(ip -n "$network" -4 -o address show dev lo | sed 's/.* inet \\([0-9.]*\\).*/\\1,/' | grep -v '^127[.]' | tr -d '\\n')
  printf '%s\\n' "add table ip $table" "delete table ip $table" "table ip $table {
    chain arriving { type nat hook prerouting priority dstnat; $outer
    }
    chain own { type nat hook output priority dstnat; $outer
    }
    chain leaving { type nat hook postrouting priority srcnat
      oifname \\"$link\\" ip saddr { $twins 127.0.0.0/8 } masquerade
      ip saddr $far oifname != \\"$link\\" masquerade
    }
  }" | nft -f - || return 1
  printf '%s\\n' "add table ip $table" "delete table ip $table" "table ip $table {
    chain arriving { type nat hook prerouting priority dstnat; $inner
    }
    chain leaving { type nat hook postrouting priority srcnat
      oifname \\"out0\\" ip saddr != $far snat to $far
    }
  }" | ip netns exec "$network" nft -f - || return 1
  mkdir -p /run/stasis/ports
  printf '%s\\n%s' "$network" "$taken" > "/run/stasis/ports/\${group##*/}"
}
disconnect() {
  taken=/run/stasis/ports/\${2##*/}
  [ -e "$taken" ] || return 0
  table=$(table_of "$2")
  nft delete table ip "$table" 2> /dev/null
  ip netns exec "$1" nft delete table ip "$table" 2> /dev/null
  rm -f -- "$taken"
  grep -qxsF -e "$1" /run/stasis/ports/* || {
    ip link delete "$(link_of "$1")" 2> /dev/null && ip -n "$1" route replace default dev lo
  }
  return 0
}
`;
