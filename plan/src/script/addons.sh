# Addons: what a job without rights over its machine can do for them, and one clear line for the rest.

_travis_hosts() {
  local host
  if [[ ! -w /etc/hosts ]]; then
    _travis_say "$ANSI_YELLOW" "addons.hosts: a job may not change /etc/hosts on this machine; not added: $*."
    return
  fi
  for host in "$@"; do printf '127.0.0.1 %s\n::1 %s\n' "$host" "$host" >>/etc/hosts; done
}

_travis_ssh_known_hosts() {
  local host port command
  if ! command -v ssh-keyscan >/dev/null; then
    _travis_say "$ANSI_YELLOW" "addons.ssh_known_hosts: this machine has no ssh-keyscan; not asked: $*."
    return
  fi
  mkdir -p -m 700 "$HOME/.ssh"
  for host in "$@"; do
    port=
    [[ $host =~ ^(.+):([0-9]+)$ ]] && host=${BASH_REMATCH[1]} port="-p ${BASH_REMATCH[2]} "
    printf -v command 'ssh-keyscan -T 5 -H %s-- %q >>"$HOME/.ssh/known_hosts"' "$port" "$host"
    travis_cmd "$command" --echo --timing
  done
}

# $1: name, rest: programs of which one must be there.
_travis_browser() {
  local name=$1 program
  shift
  for program in "$@"; do
    if command -v "$program" >/dev/null; then
      printf '%s is the %s on this machine.\n' "$(command -v "$program")" "$name"
      return
    fi
  done
  _travis_say "$ANSI_YELLOW" "addons.$name: this machine has no $name; going on without it."
}

_travis_no_addon() {
  _travis_say "$ANSI_YELLOW" "addons.$1 does nothing on this machine; going on without it."
}
