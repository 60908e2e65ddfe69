# Packages of `addons: apt`, installed by root of the sandbox before the job, which has no rights then. Nothing of the
# source is there, and every process of this is dead before the job's first one.
TRAVIS_STAGE=apt
_travis_apt_options=''
_travis_apt_sources=0

if ! command -v apt-get >/dev/null; then
  _travis_say "$ANSI_YELLOW" 'addons.apt: the image has no apt-get; going on without it.'
  exit 0
fi

# What a package starts would be dead when the job begins.
if [[ ! -e /usr/sbin/policy-rc.d ]]; then
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod 755 /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
cd / || exit 2
travis_fold start apt

# $1: an address, $2: a file.
_travis_apt_download() {
  local command
  printf -v command '/usr/lib/apt/apt-helper %sdownload-file -- %q %q' "$_travis_apt_options" "$1" "$2"
  travis_cmd "$command" --echo --timing --assert
}

# $1: an address. A key in text form and one in binary form have different endings.
_travis_apt_key() {
  local file=/etc/apt/trusted.gpg.d/travis-$((++_travis_apt_sources))
  _travis_apt_download "$1" "$file"
  if grep -q -- '-----BEGIN PGP' "$file"; then mv "$file" "$file.asc"; else mv "$file" "$file.gpg"; fi
  chmod 644 "$file".*
}

# $1: a line of sources.list.
_travis_apt_line() {
  printf '%s\n' "$1" >"/etc/apt/sources.list.d/travis-$((++_travis_apt_sources)).list"
  printf 'Added: %s\n' "$1"
}

# $1: a personal archive of Launchpad, OWNER/NAME: for Ubuntu, by its release's name; the key is asked for there.
_travis_apt_ppa() {
  local command series key=/etc/apt/trusted.gpg.d/travis-$((++_travis_apt_sources)) text
  # shellcheck disable=SC1091
  series=$(
    . /etc/os-release
    [[ ${ID:-} != ubuntu || ! -r /etc/lsb-release ]] || . /etc/lsb-release
    printf '%s' "${UBUNTU_CODENAME:-${DISTRIB_CODENAME:-}}"
  ) 2>/dev/null
  if [[ -z $series ]]; then
    _travis_say "$ANSI_YELLOW" "addons.apt.sources: ppa:$1 is for Ubuntu, which this image is not; going on without it."
    return
  fi
  if command -v add-apt-repository >/dev/null; then
    printf -v command 'add-apt-repository -y -- %q' "ppa:$1"
    travis_cmd "$command" --echo --timing --assert
    return
  fi
  _travis_apt_download "https://api.launchpad.net/devel/~${1%/*}/+archive/ubuntu/${1#*/}?ws.op=getSigningKeyData" "$key"
  # A text of JSON.
  text=$(<"$key")
  text=${text#\"}
  printf '%b\n' "${text%\"}" >"$key.asc"
  rm -f "$key"
  chmod 644 "$key.asc"
  grep -q -- '-----BEGIN PGP' "$key.asc"
  travis_assert $?
  _travis_apt_line "deb https://ppa.launchpadcontent.net/$1/ubuntu $series main"
}

# $1: a name.
_travis_apt_unknown() {
  _travis_say "$ANSI_YELLOW" "addons.apt.sources: no source called $1 is known here; give its sourceline and key_url."
}

_travis_apt_update() {
  travis_cmd "apt-get ${_travis_apt_options}-q update" --echo --timing --retry
}

_travis_apt_install() {
  local command
  # An image may come without any list.
  compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null || _travis_apt_update
  printf -v command ' %q' "$@"
  command="apt-get ${_travis_apt_options}-yq --no-install-suggests --no-install-recommends --allow-downgrades --allow-remove-essential --allow-change-held-packages install --$command"
  travis_cmd "$command" --echo --timing --assert
}
