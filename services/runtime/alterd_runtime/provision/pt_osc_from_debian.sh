#!/usr/bin/env bash
# Unpacks pt-online-schema-change of Debian's unstable suite into a folder, with a Perl of its own: no root.
#
#   pt_osc_from_debian.sh FOLDER     fills FOLDER once (about 25 MB to download); its parent is made if need be
#
# FOLDER/pt-online-schema-change is a wrapper that runs the tool with the Perl, its modules and the libraries unpacked
# beside it.
# Steps go to stdout, errors to stderr; exit codes as in from_debian.sh.
# shellcheck source=from_debian.sh
source "${BASH_SOURCE[0]%/*}/from_debian.sh"

[[ $# -eq 1 ]] || fail 2 "usage: pt_osc_from_debian.sh FOLDER"
begin "$1" pt-online-schema-change
read_archive
# Alone: what the toolkit's other programs need (a debugger, terminals) is of no use here.
unpack "perl libdbd-mysql-perl" '^(debconf|dpkg|tar$|netbase|sensible-utils|init-system-helpers|media-types|tzdata)' \
  percona-toolkit

cat >"$work/root/pt-online-schema-change" <<WRAPPER
#!/bin/sh
here=\$(dirname "\$(realpath "\$0")")
lib=\$here/$lib
PERL5LIB=\$here/usr/share/perl5
for folder in "\$lib"/perl5/* "\$here"/usr/share/perl/* "\$lib"/perl/* "\$lib"/perl-base; do
    PERL5LIB=\$PERL5LIB:\$folder
done
# where the client library finds what signs in: it was built for another place
MARIADB_PLUGIN_DIR=\$lib/libmariadb3/plugin
export PERL5LIB MARIADB_PLUGIN_DIR
exec "\$here/$loader" --library-path "\$lib" "\$here/usr/bin/perl" "\$here/usr/bin/pt-online-schema-change" "\$@"
WRAPPER
chmod +x "$work/root/pt-online-schema-change"
"$work/root/pt-online-schema-change" --version >"$work/version.log" 2>&1 ||
  fail $unusable "the unpacked tool does not run here:" "$(tail -n 5 "$work/version.log")"
finish
