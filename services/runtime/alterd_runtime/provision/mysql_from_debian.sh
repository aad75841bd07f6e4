#!/usr/bin/env bash
# Unpacks the MySQL server of Debian's unstable suite into a folder: no root, nothing installed, no Docker.
#
#   mysql_from_debian.sh FOLDER     fills FOLDER once (about 65 MB to download); its parent is made if need be
#
# FOLDER/mysqld and FOLDER/mysql are wrappers that run server and client with the libraries unpacked beside
# them, so this machine's libc stays as it is.
# Steps go to stdout, errors to stderr; exit codes as in from_debian.sh.
# shellcheck source=from_debian.sh
source "${BASH_SOURCE[0]%/*}/from_debian.sh"

[[ $# -eq 1 ]] || fail 2 "usage: mysql_from_debian.sh FOLDER"
begin "$1" mysqld
read_archive
# The empty package database makes apt name every library; perl and the maintainers' tools are of no use here.
unpack "mysql-server-core mysql-client-core" \
  '^((lib)?perl|debconf|adduser|passwd|dpkg|tar$|netbase|sensible-utils|init-system-helpers)'

wrapper() { # NAME PROGRAM ARGUMENTS
  cat >"$work/root/$1" <<WRAPPER
#!/bin/sh
here=\$(dirname "\$(realpath "\$0")")
exec "\$here/$loader" --library-path "\$here/$lib:\$here/$lib/mysql" "\$here/$2" --no-defaults $3 "\$@"
WRAPPER
  chmod +x "$work/root/$1"
}
share='$here/usr/share/mysql'
wrapper mysql usr/bin/mysql "--character-sets-dir=\"$share/charsets\""
wrapper mysqld usr/sbin/mysqld "--lc-messages-dir=\"$share\" --character-sets-dir=\"$share/charsets\" \
--plugin-dir=\"\$here/usr/lib/mysql/plugin\" --secure-file-priv="
"$work/root/mysqld" --version >"$work/version.log" 2>&1 ||
  fail $unusable "the unpacked server does not run here:" "$(tail -n 5 "$work/version.log")"
finish
