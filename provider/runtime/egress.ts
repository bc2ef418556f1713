/**
 * Keeps a network namespace from speaking to the outside, as functions for scripts that run on its host. ENTER is a
 * command that runs another in the namespace, such as `nsenter --net=FILE`.
 *   block_egress ENTER...            idempotent; one transaction of nft, so that there is no moment of half a rule
 *   let_fellows FOLDER ENTER...      lets it speak to the addresses that the files in FOLDER name, one a line
 *   open_egress ENTER...             idempotent
 *
 * What may go on: loopback; fellow members; answers to whoever asked (conntrack's direction "reply" of a conversation
 * that both sides know), so that a rehearsal can be looked at from outside; and where fellows have addresses of IPv6, the
 * neighbour discovery that it has in place of ARP. Everything else is dropped and counted on its way out, before an address of the link is asked for: so
 * nothing of it is seen outside, not even as a question. It is no jail: who is root in the namespace and may administer
 * it can take the table away.
 */
export const EGRESS = `
block_egress() {
  "$@" nft list table inet stasis_egress > /dev/null 2>&1 && return 0
  printf '%s\\n' 'table inet stasis_egress {
    set fellows4 { type ipv4_addr; }
    set fellows6 { type ipv6_addr; }
    set discovery { type icmpv6_type; }
    chain output {
      type filter hook output priority 0; policy drop;
      oifname "lo" accept
      ct state established ct direction reply accept
      ip daddr @fellows4 accept
      ip6 daddr @fellows6 accept
      icmpv6 type @discovery accept
      counter drop
    }
  }' | "$@" nft -f -
}
let_fellows() {
  of=$1; shift
  for one in $(cat "$of"/* 2> /dev/null); do
    case $one in *:*) set=fellows6 ;; *) set=fellows4 ;; esac
    "$@" nft add element inet stasis_egress "$set" "{ $one }" || return 1
    [ $set = fellows4 ] ||
      "$@" nft add element inet stasis_egress discovery '{ nd-neighbor-solicit, nd-neighbor-advert }' || return 1
  done
}
open_egress() {
  ! "$@" nft list table inet stasis_egress > /dev/null 2>&1 || "$@" nft delete table inet stasis_egress
}
`;
