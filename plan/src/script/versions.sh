# Ends the job: what it asked for is not here. $1: what, $2: version asked for, rest: what there is.
_travis_missing() {
  local what=$1 wanted=$2 found
  shift 2
  printf -v found '%s, ' "$@"
  _travis_say "$ANSI_RED" "$what $wanted is not installed on this machine."
  if [[ $# -gt 0 && -n $* ]]; then
    printf 'There is: %s.\n' "${found%, }"
  else
    printf 'There is no %s at all.\n' "$what"
  fi
  printf '\nYour build has been stopped.\n'
  travis_terminate 2
}

# Whether version $2 is what $1 asks for: the same, or the same up to a dot; a trailing .x stands for anything.
_travis_fits() {
  local wanted=${1%.x}
  [[ $2 == "$wanted" || $2 == "$wanted".* || $2 == "$wanted"-[0-9]* ]]
}

# Puts the first version number that a command prints into TRAVIS_FOUND.
_travis_probe() {
  local text
  text=$(eval "$1" 2>&1 </dev/null) || text=
  TRAVIS_FOUND=
  if [[ $text =~ [0-9]+(\.[0-9]+)*(-(alpha|beta|rc|nightly|dev|pre)[0-9.]*)? ]]; then
    TRAVIS_FOUND=${BASH_REMATCH[0]}
  fi
}

# The plain toolchain must have the version asked for. $1: name, $2: version or nothing, $3: program, $4: command that prints its
# version, $5: names of versions that the newest one may be taken for.
_travis_plain() {
  local name=$1 wanted=$2 program=$3 probe=$4 moving=${5:-}
  if ! command -v "$program" >/dev/null; then
    [[ -n $wanted ]] && _travis_missing "$name" "$wanted"
    _travis_say "$ANSI_YELLOW" "$name is not installed on this machine; going on without it."
    return
  fi
  _travis_probe "$probe"
  if [[ -z $wanted ]]; then
    printf 'No version of %s is asked for; using %s.\n' "$name" "${TRAVIS_FOUND:-what is there}"
  elif [[ " $moving " == *" $wanted "* && $TRAVIS_FOUND != *-* ]]; then
    printf '%s %s is taken to be %s, the one on this machine.\n' "$name" "$wanted" "${TRAVIS_FOUND:-unknown}"
  elif ! _travis_fits "$wanted" "$TRAVIS_FOUND"; then
    _travis_missing "$name" "$wanted" "$TRAVIS_FOUND"
  fi
}
