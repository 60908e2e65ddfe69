# What would end a job ends only what was typed: the shell goes on.
travis_terminate() {
  set +e
  ((BASH_SUBSHELL == 0)) || exit "${1:-0}"
  printf '%b\n' "${ANSI_YELLOW}A job would end here, with ${1:-0}.${ANSI_RESET}"
  kill -INT "$$"
}

_travis_debug_help() {
  printf '%b' "$ANSI_GREEN"
  printf '\nThe environment is set up; no phase has run yet. The phases of this job:\n'
  printf '  %s\n' "${_travis_debug_phases[@]}"
  printf '%b\n' "$ANSI_RESET"
}

HISTFILE=
export TRAVIS_DEBUG_MODE=true
