#!/bin/sh
# Builds the root file system of the lab's hosts: Debian by debootstrap, then the packages by its own apt.
#   root.sh TARGET SUITE MIRROR ARCH < one package a line
# Runs as root in mount and process namespaces of its own, so that whatever ends it leaves neither mount nor process.
set -eu
target=$1 suite=$2 mirror=$3 arch=$4
packages=$(cat)

debootstrap --variant=minbase --arch="$arch" --include=ca-certificates "$suite" "$target" "$mirror"

# How this machine's apt reaches the mirror, and whether it minds a mirror that lags behind.
apt-config dump Acquire | grep -E '^Acquire::(http|https|Check-Valid-Until|Check-Date)' > "$target/etc/apt/apt.conf.d/90lab" || true
for file in resolv.conf hosts; do cp "/etc/$file" "$target/etc/$file"; done
# No server starts while its package is configured, and no cluster is made: each test makes its own.
printf '#!/bin/sh\nexit 101\n' > "$target/usr/sbin/policy-rc.d"
chmod 755 "$target/usr/sbin/policy-rc.d"
mkdir -p "$target/etc/postgresql-common"
echo 'create_main_cluster = false' > "$target/etc/postgresql-common/createcluster.conf"
# The root can be made again at any time, so nothing of it need reach the disk at once; nobody reads its manuals.
cat > "$target/etc/dpkg/dpkg.cfg.d/lab" <<'EOF'
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
EOF

mount -t proc proc "$target/proc"
inside() { chroot "$target" env DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
inside apt-get -q update
# shellcheck disable=SC2086 # one argument a package
inside apt-get -q -y install --no-install-recommends $packages
mkdir -p "$target/usr/lib/criu"
inside apt-get -q clean
# Somebody who is not root, logs in by key and may become root. (A password of "!" would lock the account for sshd.)
inside useradd --create-home --shell /bin/bash --password '*' deploy
echo 'deploy ALL=(ALL) NOPASSWD: ALL' > "$target/etc/sudoers.d/deploy"

# What a machine without systemd and with few control groups needs: libvirt and podman otherwise refuse to work.
cat > "$target/etc/libvirt/qemu.conf" <<'EOF'
namespaces = []
security_driver = "none"
user = "root"
group = "root"
cgroup_controllers = []
EOF
mkdir -p "$target/etc/containers/containers.conf.d"
cat > "$target/etc/containers/containers.conf.d/lab.conf" <<'EOF'
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
[containers]
pids_limit = 0
log_driver = "k8s-file"
EOF
# On the host's own disk, as its root file system is an overlay, on which there can be no second one.
cat > "$target/etc/containers/storage.conf" <<'EOF'
[storage]
driver = "overlay"
graphroot = "/srv/containers"
runroot = "/run/containers/storage"
EOF
# Where there is a compiler, criu can do its work on a machine that lacks CAP_SYS_RESOURCE: see prlimit.c.
if command -v cc >/dev/null; then
  cc -O2 -Wall -Wextra -shared -fPIC -o "$target/usr/local/lib/lab-prlimit.so" "$(dirname "$0")/prlimit.c"
  inside dpkg-divert --quiet --local --rename --divert /usr/lib/criu/criu --add /usr/sbin/criu
  printf '#!/bin/sh\nLD_PRELOAD=/usr/local/lib/lab-prlimit.so exec /usr/lib/criu/criu "$@"\n' > "$target/usr/sbin/criu"
  chmod 755 "$target/usr/sbin/criu"
fi
rm -rf "$target"/var/lib/apt/lists/* "$target"/etc/ssh/ssh_host_* "$target"/var/lib/mysql/*
umount "$target/proc"
