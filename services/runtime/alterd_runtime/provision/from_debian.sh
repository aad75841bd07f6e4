# Unpacking packages of Debian's unstable suite into a folder: no root, nothing installed. Sourced by the scripts beside it.
#
# Archive, proxy and keyring are those that apt uses here; only the suite is another one, and nothing of apt's own state
# is read or written. Several runs for one folder may go on at once: the first one does the work.
# Exit codes: 0 filled, 3 this machine cannot do it, 4 the archive does not answer, 5 what came is unusable.
# shellcheck shell=bash
set -euo pipefail
export LC_ALL=C

cannot=3 no_archive=4 unusable=5
fail() { # CODE MESSAGE…
  local code=$1
  shift
  printf '%s\n' "$@" >&2
  exit "$code"
}

begin() { # FOLDER PROGRAM: sets target and work; ends the script where FOLDER/PROGRAM is there already
  local parent program
  for program in apt-get apt-config dpkg-deb flock realpath mktemp awk; do
    command -v "$program" >/dev/null || fail $cannot "this is no Debian: there is no $program"
  done
  target=$(realpath -m -- "$1")
  parent=$(dirname -- "$target")
  mkdir -p -- "$parent" || fail $cannot "the folder $parent cannot be made"

  exec {lock}>"$target.lock" || fail $cannot "the folder $parent cannot be written"
  flock "$lock"
  [[ ! -x $target/$2 ]] || exit 0
  [[ ! -e $target ]] || fail $cannot "$target exists and holds no $2: remove it and try again"

  # Remains of runs that were killed; nobody else is at work while we hold the lock.
  rm -rf -- "$target".unpack.*
  work=$(mktemp -d -- "$target.unpack.XXXXXX")
  trap 'rm -rf -- "$work"' EXIT
  mkdir -p "$work"/{lists/partial,cache/archives/partial,debs,root}
  : >"$work/status"
}

read_archive() { # sets apt: the archive of unstable that answers
  # apt's hooks (cache cleaners, desktop indexes) and pins belong to the machine, not to this download.
  cat >"$work/apt.conf" <<CONF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
Dir::State::Lists "$work/lists";
Dir::State::status "$work/status";
Dir::Cache "$work/cache";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
APT::Install-Recommends "0";
APT::Sandbox::User "root";
APT::Default-Release "";
Acquire::Languages "none";
Acquire::Retries "3";
Debug::NoLocking "1";
CONF
  apt=(apt-get -c "$work/apt.conf")

  for keyring in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
    [[ ! -r $keyring ]] || break
  done
  [[ -r $keyring ]] || fail $cannot "there is no Debian archive keyring: install the package debian-archive-keyring"

  # Every archive that apt is configured with, in either format of sources; the one of Debian itself is told by
  # its signature. Security archives have no unstable suite.
  mapfile -t archives < <(
    "${apt[@]}" --print-uris update 2>"$work/sources.log" |
      sed -nE "s,^'(.+)/dists/[^/']+/(In)?Release'.*,\1,p" |
      grep -vE -- '[-/]security/?$' | awk '!seen[$0]++'
  )
  [[ ${#archives[@]} -gt 0 ]] ||
    fail $cannot "apt has no archive configured (/etc/apt/sources.list, /etc/apt/sources.list.d)" \
      "$(tail -n 5 "$work/sources.log")"

  found=
  for archive in "${archives[@]}"; do
    echo "deb [signed-by=$keyring] $archive unstable main" >"$work/sources.list"
    cat >"$work/only.conf" <<CONF
$(<"$work/apt.conf")
Dir::Etc::SourceList "$work/sources.list";
Dir::Etc::SourceParts "/dev/null";
APT::Update::Error-Mode "any";
CONF
    apt=(apt-get -c "$work/only.conf")
    echo "reading the package list of Debian unstable"
    if "${apt[@]}" update >"$work/update.log" 2>&1; then
      found=$archive
      break
    fi
  done
  [[ -n $found ]] ||
    fail $no_archive "none of apt's archives answers for Debian unstable: is there a network?" "$(tail -n 5 "$work/update.log")"
}

unpack() { # PACKAGES EXCEPT [ALONE…]: packages (in one word) and all they need, but for names that EXCEPT matches; ALONE: by itself
  local packages package
  # shellcheck disable=SC2086
  "${apt[@]}" -s install $1 >"$work/plan" 2>"$work/plan.log" ||
    fail $unusable "Debian unstable offers no installable $1 for this machine:" "$(tail -n 5 "$work/plan.log")"
  mapfile -t packages < <(awk '$1 == "Inst" { print $2 }' "$work/plan" | grep -vE "$2")
  [[ ${#packages[@]} -gt 0 ]] || fail $unusable "apt plans to install nothing for $1"
  packages+=("${@:3}")

  echo "downloading ${#packages[@]} packages"
  (cd "$work/debs" && "${apt[@]}" download "${packages[@]}" >"$work/download.log" 2>&1) ||
    fail $no_archive "the packages could not be downloaded:" "$(tail -n 5 "$work/download.log")"
  echo "unpacking"
  for package in "$work"/debs/*.deb; do
    dpkg-deb -x "$package" "$work/root" || fail $unusable "$(basename "$package") cannot be unpacked (disk full?)"
  done

  lib=usr/lib/$(uname -m)-linux-gnu
  loader=$(cd "$work/root" && compgen -G "$lib/ld-linux-*.so.*" | head -n 1) ||
    fail $unusable "the packages hold no loader for $(uname -m)"
}

finish() { # the folder appears at once or not at all
  chmod 755 "$work/root"
  mv -T -- "$work/root" "$target"
}
