import { uriOf, type VmSpec } from '../spec.ts';

/**
 * How QEMU is spoken to on its host: directly by its QMP socket, or by way of libvirt, which keeps that socket to itself.
 * Both are shell functions that stand before a script of ours, whose first arguments are `words`:
 *   relay              relays lines of QMP between its input and output until the input ends
 *   talk LINE...       says these lines, one after another, and prints what comes back
 *   alive              whether there is a VM
 *   free PIDFILE       ends a relay that is still connected: QEMU serves one client at a time
 *   thaw FOLDER        has the guest's file systems thawed that we have frozen, as a mark in the folder tells
 */
export interface Access {
  readonly functions: string;
  readonly words: readonly string[];
  /** For people. */
  readonly shown: string;
}

/** QEMU drops what a client that has gone had still to be answered, so the input stays open until all answers are there. */
const BY_SOCKET = `
socket=$1; shift
connect() {
  if command -v socat > /dev/null; then exec socat -t 5 - "UNIX-CONNECT:$1"
  elif command -v ncat > /dev/null; then exec ncat -U "$1"
  else exec nc -U "$1"
  fi
}
relay() { connect "$socket"; }
thaw() { :; }
alive() {
  [ -S "$socket" ] || return 1
  if command -v socat > /dev/null; then socat -u OPEN:/dev/null "UNIX-CONNECT:$socket"
  elif command -v ncat > /dev/null; then ncat -U --send-only "$socket" < /dev/null
  else nc -zU "$socket"
  fi 2> /dev/null
}
free() {
  read -r relay < "$1" && tr '\\0' '\\n' < "/proc/$relay/cmdline" | grep -qF -- "\${2:-$socket}" && kill "$relay"
} 2> /dev/null
talk() {
  wanted=$#
  over=$(mktemp -u)
  (
    printf '%s\\n' '{"execute":"qmp_capabilities"}' "$@"
    n=0
    while [ ! -e "$over" ] && [ $n -lt 80 ]; do n=$((n + 1)); sleep 0.1; done
  ) | (connect "$socket") | {
    answers=-1
    while [ $answers -lt $wanted ] && read -r line; do
      case $line in
        *'"event":'*) ;;
        *'"return":'* | *'"error":'*) answers=$((answers + 1)); printf '%s\\n' "$line" ;;
      esac
    done
    : > "$over"
  }
  rm -f "$over"
}
`;

/** libvirt lets any number of clients speak; each line is a command of virsh's. */
const BY_DOMAIN = `
uri=$1 domain=$2; shift 2
# One virsh for all lines, as its start takes longer than an answer; it repeats what it is told behind a prompt.
tell() {
  sed -u "s/'/'\\\\\\\\''/g; s/^/qemu-monitor-command $domain '/; s/\\$/'/" | virsh -q -c "$uri" 2>&1
}
events() {
  virsh -q -c "$uri" qemu-monitor-event "$domain" --loop 2> /dev/null | while read -r word name rest; do
    [ "$word" != event ] || printf '{"event":"%s"}\\n' "$name"
  done
}
relay() {
  state=$(virsh -q -c "$uri" domstate "$domain") || exit 1
  [ "$state" != 'shut off' ] || { echo "the domain is shut off" >&2; exit 1; }
  exec 3>&1
  events >&3 &
  listening=$!
  echo '{"QMP":{}}' >&3
  sed -u 's/.*"qmp_capabilities".*/{"execute":"query-version"}/' | tell | while read -r line; do
    case $line in
      '{"return"'* | '{"id"'* | '{"error"'*) printf '%s\\n' "$line" >&3 ;;
      'error: '*) printf '{"error":{"desc":"%s"}}\\n' "$(printf %s "$line" | tr -d '"\\\\')" >&3 ;;
    esac
  done
  pkill -P $listening 2> /dev/null
  kill $listening 2> /dev/null
}
alive() { virsh -q -c "$uri" domstate "$domain" > /dev/null 2>&1; }
free() { :; }
thaw() { :; }
talk() { printf '%s\\n' "$@" | tell | grep '^{'; }
`;

export function accessOf(spec: VmSpec): Access {
  const { qmp, domain } = spec;
  if (qmp !== undefined) return bySocket(qmp);
  return { functions: BY_DOMAIN, words: [uriOf(spec), domain ?? ''], shown: `the domain ${domain}` };
}

export function bySocket(path: string): Access {
  return { functions: BY_SOCKET, words: [path], shown: path };
}

/** argv of a relay that writes its number into a file, so that a rescue can end it. */
export function relayOf({ functions, words }: Access, pidFile: string): string[] {
  const script = `${functions}\n[ -z "$1" ] || echo $$ > "$1" || exit 1\nrelay`;
  return ['sh', '-c', script, 'stasis-qmp', ...words, pidFile];
}
