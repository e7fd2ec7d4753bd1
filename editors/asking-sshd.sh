#!/usr/bin/env bash
# An sshd whose login asks for a password and then for a one-time code, for the editors' tests:
#
#   asking-sshd.sh DIR     starts it beside the test cluster (tests/cluster/up.sh's variables), with its
#                          files in DIR; prints its port when it answers, and takes it away again when
#                          the input ends
#   asking-sshd.sh code    the code of now (RFC 6238)
#
# The password is `planted-Sesam-4711`. As root; needs libpam-google-authenticator and python3.
set -euo pipefail
secret=NRTESTNRTESTNRTESTNRTEST
if [[ $1 == code ]]; then
    exec python3 -c '
import base64, hmac, struct, sys, time
mac = hmac.digest(base64.b32decode(sys.argv[1]), struct.pack(">Q", int(time.time()) // 30), "sha1")
at = mac[19] & 15
print("%06d" % ((struct.unpack(">I", mac[at:at + 4])[0] & 0x7FFFFFFF) % 1000000))' "$secret"
fi
: "${NRT_DIR:?the variables of tests/cluster/up.sh are not set}"
dir=$(realpath "$1")
# PAM knows a server by the name of its program.
name=nrt-editor-$$
trap 'kill "${sshd:-}" 2>/dev/null || true; rm -f "/etc/pam.d/$name"' EXIT
trap 'exit 143' INT TERM HUP
ssh-keygen -q -t ed25519 -N '' -f "$dir/host_key"
# The password comes with a NUL at its end.
# shellcheck disable=SC2016
printf '#!/bin/sh\n[ "$(tr -d "\\000")" = planted-Sesam-4711 ]\n' >"$dir/check"
chmod 755 "$dir/check"
printf '%s\n" TOTP_AUTH\n' "$secret" >"$dir/totp"
chmod 400 "$dir/totp"
ln -s /usr/sbin/sshd "$dir/$name"
cat >"/etc/pam.d/$name" <<END
auth required pam_exec.so quiet expose_authtok $dir/check
auth required pam_google_authenticator.so secret=$dir/totp user=root no_strict_owner
account required pam_permit.so
session required pam_permit.so
END
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
{
    printf '%s\n' 'ListenAddress 127.0.0.1' "Port $port" 'PidFile none' 'UsePAM yes' 'UseDNS no' 'StrictModes no' \
        'KbdInteractiveAuthentication yes' 'PasswordAuthentication no' 'PubkeyAuthentication no' "HostKey $dir/host_key" \
        'Subsystem sftp internal-sftp'
    # Slurm's place, as at the cluster's own door.
    grep '^SetEnv' "$NRT_DIR/etc/sshd_config"
} >"$dir/sshd_config"
mkdir -p /run/sshd
"$dir/$name" -D -E "$dir/sshd_log" -f "$dir/sshd_config" </dev/null &
sshd=$!
for ((try = 0; ; try++)); do
    ! (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    { ((try < 100)) && kill -0 "$sshd"; } || { cat "$dir/sshd_log" >&2; exit 1; }
    sleep 0.1
done
echo "$port"
cat >/dev/null
