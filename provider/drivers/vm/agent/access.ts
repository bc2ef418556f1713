import type { Host } from '../../../core/host.ts';
import { virsh } from '../domain.ts';
import type { Access } from '../monitor/access.ts';
import { type VmSpec, withMemory } from '../spec.ts';

/** The word, said in place of a line, that all that we have frozen is thawed. */
export const THAWED = 'thawed';

/**
 * The agent is spoken to by functions that stand behind those of `Access`, whose `thaw` they replace:
 *   agent PIDFILE MARK   relays lines to and from the agent until the input ends
 * Before it is told to freeze, the file MARK is made, and it goes with the word that all is thawed: so that whoever
 * cleans up after us thaws what is ours, and never what somebody else has frozen. Without MARK nothing is frozen.
 */
const SAY = `
say() {
  while read -r line; do
    case $line in
      ${THAWED}) rm -f -- "$1"; continue ;;
      *'"guest-fsfreeze-freeze"'*) : > "$1" || return ;;
    esac
    order "$line" || return
  done
}
`;

/**
 * The byte 0xFF makes the agent forget what others have left half said; what it still answers to them comes before the
 * answer that has our number (https://www.qemu.org/docs/master/interop/qemu-ga-ref.html, guest-sync-delimited).
 */
const BY_SOCKET = `
agent_socket=$1; shift
order() { printf '%s\\n' "$1"; }
${SAY}
# Once nobody is connected, nobody waits for lines to say any more.
agent() {
  { sh -c 'echo $PPID'; printf '\\377'; say "$2"; } | {
    read -r sayer
    ([ -z "$1" ] || sh -c 'echo $PPID' > "$1" || exit 1; connect "$agent_socket")
    kill "$sayer" 2> /dev/null
  }
}
thaw() {
  [ -e "$1/frozen" ] || return 0
  free "$1/agent.pid" "$agent_socket"
  over=$(mktemp -u)
  (
    printf '\\377{"execute":"guest-sync-delimited","arguments":{"id":%s}}\\n' $$
    printf '{"execute":"guest-fsfreeze-%s"}\\n' thaw status
    n=0
    while [ ! -e "$over" ] && [ $n -lt 40 ]; do n=$((n + 1)); sleep 0.1; done
  ) | (connect "$agent_socket") | {
    ours=
    while read -r line; do
      case $ours$line in
        *'"return"'*[!0-9]$$'}'*) ours=yes ;;
        yes*'"thawed"'*) rm -f -- "$1/frozen"; break ;;
      esac
    done
    : > "$over"
  }
  rm -f "$over"
  [ ! -e "$1/frozen" ]
}
`;

/**
 * libvirt has the channel, and keeps its own answers apart. It learns some time after QEMU that a domain runs again.
 * What is not the agent's own refusal ends the relay: nobody knows then what the agent does.
 */
const BY_DOMAIN = `
ask_agent() {
  n=0
  while :; do
    said=$(virsh -q -c "$uri" qemu-agent-command "$domain" "$1" --timeout "$2" 2>&1 < /dev/null) && break
    case $said in *'not running'*) ;; *) break ;; esac
    n=$((n + 1)); [ $n -lt 20 ] || break
    sleep 0.05
  done
  printf '%s\\n' "$said"
}
order() {
  line=$1
  case $line in *guest-sync-delimited*) line="\${line%-delimited*}\${line#*-delimited}" ;; esac
  said=$(ask_agent "$line" 20)
  case $said in
    '{'*) printf '%s\\n' "$said" ;;
    *'unable to execute QEMU agent command'*) printf '{"error":{"desc":"%s"}}\\n' "$(printf %s "\${said##*command }" | tr -d '"\\\\\\n')" ;;
    *) printf '%s\\n' "\${said#error: }" >&2; return 1 ;;
  esac
}
${SAY}
agent() { say "$2"; }
thaw() {
  [ -e "$1/frozen" ] || return 0
  [ "$(virsh -q -c "$uri" domstate "$domain")" != 'shut off' ] || return 0
  ask_agent '{"execute":"guest-fsfreeze-thaw"}' 3 > /dev/null
  case $(ask_agent '{"execute":"guest-fsfreeze-status"}' 3) in
    *'"thawed"'*) rm -f -- "$1/frozen" ;;
    *) return 1 ;;
  esac
}
`;

/** The channel's element in a domain's XML, with whether the guest has it open. */
const CHANNEL = /<target\b(?=[^>]*\bname=['"]org\.qemu\.guest_agent\.0['"])[^>]*\bstate=['"]connected['"]/;

/**
 * QEMU and the guest's agent; undefined where there is no agent that we are to use: with `qmp` the one that the spec
 * names, with `domain` the one that libvirt is connected to.
 */
export async function accessWithAgent(
  spec: VmSpec,
  access: Access,
  host: Host,
  signal: AbortSignal,
): Promise<Access | undefined> {
  const { functions, words, shown } = access;
  if (withMemory(spec)) return undefined;
  if (spec.agent !== undefined)
    return { functions: functions + BY_SOCKET, words: [...words, spec.agent], shown };
  if (spec.domain === undefined) return undefined;
  const xml = await virsh(spec, ['dumpxml', spec.domain], host, signal);
  return CHANNEL.test(xml) ? { functions: functions + BY_DOMAIN, words, shown } : undefined;
}

/** argv of a relay to the agent; without a folder one that cannot freeze. */
export function agentRelayOf({ functions, words }: Access, folder: string | undefined): string[] {
  const files = folder === undefined ? ['', ''] : [`${folder}/agent.pid`, `${folder}/frozen`];
  return ['sh', '-c', `${functions}\nagent "$@"`, 'stasis-agent', ...words, ...files];
}
