#!/bin/sh
# Installs Debian packages without starting their daemons: apt-install.sh PACKAGE... (as root).
set -eu

# Debian runs this file before it starts a daemon, and the status 101 says "do not start it". A file that is already
# there is the machine's own, and stays.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
apt-get -qq -o DPkg::Lock::Timeout=300 update
apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install --yes --no-install-recommends "$@" >/dev/null
