#!/bin/sh
# Builds gh-ost from its Go module into a folder, a minute the first time.
#
#   gh_ost_from_go.sh FOLDER     FOLDER/gh-ost is there afterwards
#
# Steps go to stdout, errors to stderr. Exit code 3: it cannot be had here.
set -eu
VERSION=v1.1.10

cannot() {
    printf '%s\n' "$1" >&2
    exit 3
}

[ $# -eq 1 ] || { echo "usage: gh_ost_from_go.sh FOLDER" >&2; exit 2; }
program=$1/gh-ost
[ ! -x "$program" ] || exit 0
PATH=$PATH:/usr/local/go/bin
command -v go >/dev/null || cannot "there is no go on the PATH"

# A module of our own with one pinned requirement: `go install MODULE@VERSION` would ask for the list of all versions
# as well, which not every module proxy answers.
mkdir -p "$1"
work=$(mktemp -d "$1/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
go mod init build 2>/dev/null || cannot "go mod init failed"
go mod edit -require="github.com/github/gh-ost@$VERSION"
if ! go build -mod=mod -ldflags "-X main.AppVersion=${VERSION#v} -X main.GitCommit=none" -o gh-ost \
    github.com/github/gh-ost/go/cmd/gh-ost >log 2>&1; then
    tail -n 5 log >&2
    cannot "the module or one that it needs is not served here"
fi
mv gh-ost "$program" # at once or not at all
