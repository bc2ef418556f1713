import { EGRESS } from '../../runtime/egress.ts';

/**
 * A container that ends and starts again gets a network namespace anew, and what was blocked must stay so, whoever
 * starts it and whether the host was started in between. So while anything is blocked, podman knows of a hook (OCI
 * runtime specification, `createRuntime`), which runs before a container's first instruction; where it fails, the
 * container does not start. It is made known by a file of its own beside podman's configuration, which adds a folder of
 * hooks (containers.conf(5), hooks_dir) and goes with the last container that is blocked.
 *
 *   hook, hooks.d/            what podman calls, and what tells it so
 *   containers/ID             of each container that is blocked: RESTORE/MEMBER
 *   fellows/RESTORE/MEMBER    the addresses of the member's containers, one a line
 */
const ROOT = '/var/lib/stasis/egress';

const HOOK = `#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
root=\${0%/*}
state=$(cat)
for one in "$root"/containers/*; do
  [ -e "$one" ] || continue
  case $state in *"\${one##*/}"*) ;; *) continue ;; esac
  pid=$(printf %s "$state" | grep -o '"pid" *: *[0-9]*' | head -n 1) && pid=\${pid##*[!0-9]}
  read -r key < "$one" && [ -n "$pid" ] || exit 1
${EGRESS}
  block_egress nsenter --net="/proc/$pid/ns/net" &&
    let_fellows "$root/fellows/\${key%/*}" nsenter --net="/proc/$pid/ns/net" || exit 1
done
exit 0
`;

const HOOK_FILE = `{"version":"1.0.0","hook":{"path":"${ROOT}/hook"},"when":{"always":true},"stages":["createRuntime"]}`;
const CONFIGURATION = `[engine]\\nhooks_dir = ["${ROOT}/hooks.d", {append=true}]\\n`;

/** `keep KEY ID...` has containers blocked whenever they start; `forget ID...` no longer. */
const REGISTER = `
root=${ROOT} configuration=/etc/containers/containers.conf.d/stasis-egress.conf
mkdir -p /run/stasis
exec 7> /run/stasis/egress.lock && flock -w 20 7 || exit 1
keep() {
  key=$1; shift
  mkdir -p -m 700 "$root" "$root/containers" "$root/hooks.d" "$root/fellows/\${key%/*}" "\${configuration%/*}" || return 1
  printf %s '${HOOK.replaceAll("'", `'\\''`)}' > "$root/hook.new" && chmod 700 "$root/hook.new" &&
    mv "$root/hook.new" "$root/hook" || return 1
  printf '%s\\n' '${HOOK_FILE}' > "$root/hooks.d/stasis-egress.json" || return 1
  for id; do printf '%s\\n' "$key" > "$root/containers/$id" || return 1; done
  printf '${CONFIGURATION}' > "$configuration.new" && mv "$configuration.new" "$configuration"
}
forget() {
  for id; do rm -f "$root/containers/$id"; done
  rmdir "$root/containers" 2> /dev/null || [ ! -d "$root/containers" ] || return 0
  rm -rf -- "$configuration" "$root"
}
# A restored container's pod has a container of its own that keeps the network.
infra() {
  for id; do
    pod=$(podman container inspect --format '{{.Pod}}' -- "$id" 2> /dev/null)
    [ -z "$pod" ] || podman pod inspect --format '{{.InfraContainerID}}' -- "$pod" 2> /dev/null
  done | sort -u
}
pids() {
  for id; do podman container inspect --format '{{.State.Pid}}' -- "$id" 2> /dev/null; done | grep -vx 0
}
tell_addresses() {
  key=$1; shift
  for pid in $(pids "$@"); do
    nsenter --net="/proc/$pid/ns/net" ip -o addr show scope global | while read -r n device family address rest; do
      case $family in inet | inet6) echo "\${address%/*}" ;; esac
    done
  done | sort -u > "$root/fellows/$key"
}
`;

/** Before anything is restored: EGRESS KEY ID... */
export const PREPARE_EGRESS = `
${REGISTER}
egress=$1 key=$2; shift 2
case $egress in blocked) keep "$key" "$@" ;; open) forget "$@" ;; esac
`;

/** Once all containers of a member are there, blocked already by what CRIU has called: KEY ID... */
export const MEET_FELLOWS = `
${REGISTER}
key=$1; shift
keep "$key" "$@" $(infra "$@") && tell_addresses "$key" "$@"
`;

/** Before the release, when all members are there: KEY PID... */
export const LET_FELLOWS = `
${EGRESS}
key=$1; shift
for pid; do let_fellows "${ROOT}/fellows/\${key%/*}" nsenter --net="/proc/$pid/ns/net" || exit 1; done
`;

/** Of containers that were released: EGRESS KEY ID... Those that do not run are blocked when they start. */
export const SET_EGRESS = `
${EGRESS}
${REGISTER}
egress=$1 key=$2; shift 2
case $egress in
blocked)
  keep "$key" "$@" $(infra "$@") && tell_addresses "$key" "$@" || exit 1
  for pid in $(pids "$@"); do
    block_egress nsenter --net="/proc/$pid/ns/net" &&
      let_fellows "$root/fellows/\${key%/*}" nsenter --net="/proc/$pid/ns/net" || exit 1
  done ;;
open)
  for pid in $(pids "$@"); do open_egress nsenter --net="/proc/$pid/ns/net" || exit 1; done
  rm -f "$root/fellows/$key"
  forget "$@" $(infra "$@") ;;
esac
`;

/** Undoes what was prepared: KEY. Idempotent. */
export const DROP_EGRESS = `
${REGISTER}
key=$1
set --
for one in "$root/containers"/*; do
  ! grep -qxF -e "$key" "$one" 2> /dev/null || set -- "$@" "\${one##*/}"
done
rm -f "$root/fellows/$key"
forget "$@"
`;
