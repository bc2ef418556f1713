import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { once } from '../../../provider/core/content.ts';
import type { Host } from '../../../provider/core/host.ts';
import { on, type TokenState, until } from '../process/rig.ts';

const IMAGE = 'localhost/stasis-test:1';

/**
 * An image out of the host's own root file system, as no registry is reached: Node, Redis, a shell, and what they load.
 * The image is named, and nobody could pull it.
 */
const MAKE_IMAGE = `
set -e
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/tmp" "$root/etc" "$root/run" "$root/srv" "$root/usr/bin" "$root/usr/share" "$root/lib64" "$root/opt/app" "$root/opt/old"
cp "$(readlink -f "$(command -v busybox)")" "$root/bin/busybox"
for name in sh sleep cat echo ls rm mkdir touch nc; do ln -s busybox "$root/bin/$name"; done
for name in node redis-server redis-cli; do
  program=$(readlink -f "$(command -v $name)")
  cp "$program" "$root/usr/bin/$name"
  ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"; cp -L "$library" "$root$library"
  done
done
cp -L /lib64/ld-linux-x86-64.so.2 "$root/lib64/" 2>/dev/null || true
cp -a /usr/share/nodejs "$root/usr/share/"
rm -rf "$root/usr/share/nodejs/npm" "$root/usr/share/nodejs/typescript" "$root/usr/share/nodejs/@types"
echo 'root:x:0:0::/:/bin/sh' > "$root/etc/passwd"
echo 'of the image' > "$root/opt/old/kept"
echo 'of the image' > "$root/opt/old/removed"
cp "$1" "$root/opt/app/token-service.cjs"
tar -C "$root" -cf - . | podman import --quiet - "$2" > /dev/null
`;

export async function makeImage(host: Host): Promise<string> {
  const { signal } = new AbortController();
  const source = await readFile(join(import.meta.dirname, '../process/token-service.cjs'));
  await host.write('/tmp/token-service.cjs', once(source), { signal });
  await on(host, MAKE_IMAGE, '/tmp/token-service.cjs', IMAGE);
  return IMAGE;
}

/** Writes a line to its volume every few milliseconds, so that no copy of it made a moment later is the same. */
const WRITER =
  'setInterval(() => require("fs").appendFileSync("/data/lines", Date.now() + " " + process.pid + "\\n"), 5)';

const RUN_TWO = `
set -e
podman network create --subnet 10.89.7.0/24 shopnet > /dev/null
podman volume create --label purpose=test lines > /dev/null
podman run --detach --name redis --network shopnet --ip 10.89.7.10 "$1" \\
  redis-server --save '' --protected-mode no --bind 0.0.0.0 > /dev/null
podman run --detach --name tokens --network shopnet --ip 10.89.7.11 --volume lines:/data --env REDIS_HOST=10.89.7.10 \\
  --env PASSWORD_OF_THE_SHOP=sesame --env LISTEN=0.0.0.0 "$1" \\
  sh -c 'rm -rf /opt/old && mkdir /opt/old && echo new > /opt/old/new && echo changed > /etc/changed && node -e "$0" & exec node /opt/app/token-service.cjs' '${WRITER}' > /dev/null
`;
const RUN_POD = `
set -e
podman pod create --name shop --network podman --publish 7171:7070 --label kind=test > /dev/null
podman run --detach --pod shop --name pod-redis "$1" redis-server --save '' --bind 127.0.0.1 > /dev/null
podman run --detach --pod shop --name pod-tokens "$1" node /opt/app/token-service.cjs > /dev/null
`;

/** A Redis and a token service in two containers of one network, or in one pod; what they hold is in memory alone. */
export class ContainerApplication {
  readonly host: Host;
  readonly tokens: string;

  constructor(host: Host, tokens: string) {
    this.host = host;
    this.tokens = tokens;
  }

  static async start(host: Host, shape: 'network' | 'pod'): Promise<ContainerApplication> {
    await on(host, shape === 'pod' ? RUN_POD : RUN_TWO, IMAGE);
    const application = new ContainerApplication(host, shape === 'pod' ? 'pod-tokens' : 'tokens');
    await until(async () => (await application.state()).confirmed > 10, 60_000);
    return application;
  }

  async state(): Promise<TokenState> {
    return JSON.parse(await this.get('/state')) as TokenState;
  }

  /** Asked from within its network, by the host's own Node. */
  get(path: string): Promise<string> {
    return getIn(this.host, this.tokens, path);
  }
}

/** What the server at port 7070 of that container answers, asked from within its network. */
export function getIn(host: Host, container: string, path: string): Promise<string> {
  return on(host, GET, container, path);
}

const GET = `
pid=$(podman container inspect --format '{{.State.Pid}}' "$1")
exec nsenter --net="/proc/$pid/ns/net" node -e 'require("http").get("http://127.0.0.1:7070" + process.argv[1], { timeout: 5000 }, (response) => {
  response.pipe(process.stdout);
}).on("error", (error) => { console.error(error.message); process.exit(1); })' "$2"
`;
