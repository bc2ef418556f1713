import { quote, quoteAll } from './quote.ts';

/** Between two signs of life of ours, and after how long without one the host ends our commands. */
export const BEAT_MS = 5_000;
const SILENCE_S = 40;

/**
 * What runs on the host for as long as a connection lasts, as its first session. It makes a folder for the other
 * sessions, says where, and waits for the end of its input, which is the end of the connection or of us: then whatever
 * we started there is ended too. A link that is cut does not end a connection on that side, so silence counts as well.
 */
export const KEEPER = `
umask 077
for base in /run "$XDG_RUNTIME_DIR" "\${TMPDIR:-/tmp}"; do
  [ -d "$base" ] && [ -w "$base" ] && dir=$(mktemp -d "$base/stasis-ssh-XXXXXXXX" 2>/dev/null) && break
done
[ -n "$dir" ] || { echo 'no folder can be made for our sessions' >&2; exit 1; }
# The environment of commands is the same on every host; the login's own is dropped by name.
drop=$(env | sed -n 's/^\\([A-Za-z_][A-Za-z0-9_]*\\)=.*/\\1/p' | grep -v -x -e PATH -e HOME -e USER -e LOGNAME -e TMPDIR -e PWD | tr '\\n' ' ')
cat > "$dir/run" <<RUN
unset $drop
RUN
cat >> "$dir/run" <<'RUN'
# run NUMBER SIZE: reads so many bytes of script, and runs it with what follows as its input.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin LANG=C.UTF-8 LC_ALL=C.UTF-8
export PATH LANG LC_ALL
group=\${0%/*}/$1
read -r line < /proc/$$/stat
line=\${line##*) }
line=\${line#* * }
echo "\${line%% *}" > "$group"
trap : HUP INT TERM
script=$(dd bs=1 count="$2" 2>/dev/null; echo .)
script=\${script%.}
(trap - HUP INT TERM; eval "\${script#* }")
status=$?
printf '\\n%s %s\\n' "\${script%% *}" "$status" >&2
rm -f "$group"
RUN
cat > "$dir/end" <<'END'
# end NUMBER: ends what it has started, the last of it by force.
group=\${0%/*}/$1
tries=20
while [ ! -s "$group" ]; do
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || exit 0
  sleep 0.05
done
read -r number < "$group" || exit 0
kill -s TERM -- "-$number" || exit 0
tries=20
while [ -e "$group" ]; do
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || break
  sleep 0.1
done
[ -e "$group" ] || exit 0
kill -s KILL -- "-$number"
rm -f "$group"
END
trap '' HUP INT TERM PIPE
echo "ready $dir"
while [ -n "$(timeout ${SILENCE_S} dd bs=1 count=1 2>/dev/null)" ]; do :; done
for group in "$dir"/[0-9]*; do
  [ -e "$group" ] && sh "$dir/end" "\${group##*/}" &
done
wait
rm -rf "$dir"
`;

/** What a session is to run: the word that its end is told by, and the script. */
export interface Start {
  readonly token: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
}

/**
 * The script of a command. It goes by the session's input: so neither its arguments nor its environment are in any
 * argument list before the command itself has them, and the login's shell, whatever it is, reads nothing of it.
 */
export function startScript({ token, argv, env, cwd }: Start): string {
  const [program = ''] = argv;
  const cannot = `{ echo ${CANNOT}${token} >&2; exit 127; }`;
  return [
    `${token} `,
    ...Object.entries(env).map(([name, value]) => `export ${named(name)}=${quote(value)}`),
    ...(cwd === undefined ? [] : [`cd -- ${quote(cwd)} || ${cannot}`]),
    `command -v -- ${quote(program)} >/dev/null || ${cannot}`,
    ...(program.includes('/') ? [`[ -x ${quote(program)} ] && [ ! -d ${quote(program)} ] || ${cannot}`] : []),
    `exec ${quoteAll(argv)}`,
  ].join('\n');
}

const CANNOT = 'cannot-start-';

function named(name: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new RangeError(`no name of a variable: ${name}`);
  return name;
}

/** How a session's command ended, of the end of what it said as errors; undefined when it did not say. */
export function endOf(
  token: string,
  stderr: string,
): { readonly status: number; readonly stderr: string; readonly started: boolean } | undefined {
  const mark = new RegExp(`\\n${token} (\\d+)\\n`).exec(stderr);
  if (mark === null) return undefined;
  const said = stderr.slice(0, mark.index) + stderr.slice(mark.index + mark[0].length);
  const cannot = `${CANNOT}${token}\n`;
  const started = !said.includes(cannot.trimEnd());
  return { status: Number(mark[1]), stderr: started ? said : said.replace(cannot.trimEnd(), ''), started };
}
