export ANSI_RED='\033[31;1m' ANSI_GREEN='\033[32;1m' ANSI_YELLOW='\033[33;1m' ANSI_RESET='\033[0m' ANSI_CLEAR='\033[0K'

_travis_now() {
  if [[ -n ${EPOCHREALTIME:-} ]]; then
    TRAVIS_NOW=${EPOCHREALTIME//[!0-9]/}000
  else
    TRAVIS_NOW=$(date +%s%N)
  fi
}

_travis_say() {
  local colour=$1
  shift
  printf '%b%s%b\n' "$colour" "$*" "$ANSI_RESET"
}

travis_nanoseconds() {
  local TRAVIS_NOW
  _travis_now
  printf '%s\n' "$TRAVIS_NOW"
}

travis_fold() {
  printf 'travis_fold:%s:%s\r\033[0K' "${1:-}" "${2:-}"
}

travis_time_start() {
  local TRAVIS_NOW
  printf -v TRAVIS_TIMER_ID '%08x' "$(((RANDOM << 17) ^ (RANDOM << 8) ^ RANDOM))"
  _travis_now
  TRAVIS_TIMER_START_TIME=$TRAVIS_NOW
  export TRAVIS_TIMER_ID TRAVIS_TIMER_START_TIME
  printf 'travis_time:start:%s\r\033[0K' "$TRAVIS_TIMER_ID"
}

travis_time_finish() {
  local result=$? TRAVIS_NOW
  local start=${TRAVIS_TIMER_START_TIME:-0}
  _travis_now
  printf 'travis_time:end:%s:start=%s,finish=%s,duration=%s,event=%s\r\033[0K' \
    "${TRAVIS_TIMER_ID:-}" "$start" "$TRAVIS_NOW" "$((TRAVIS_NOW - start))" "${1:-}"
  return "$result"
}

travis_terminate() {
  set +e
  if [[ -n ${!:-} ]]; then
    # shellcheck disable=SC2046
    kill -9 $(jobs -p) 2>/dev/null
  fi
  if [[ -n ${_travis_services:-} ]]; then
    # shellcheck disable=SC2046
    kill -9 $(cat "$_travis_services"/*/pid 2>/dev/null) 2>/dev/null
  fi
  exit "${1:-0}"
}

travis_assert() {
  local result=${1:-$?}
  if [[ $result != 0 ]]; then
    _travis_say "$ANSI_RED" "The command \"${TRAVIS_CMD:-}\" failed and exited with $result during ${TRAVIS_STAGE:-}."
    printf '\nYour build has been stopped.\n'
    travis_terminate 2
  fi
}

travis_result() {
  local result=${1:-0}
  export TRAVIS_TEST_RESULT=$((${TRAVIS_TEST_RESULT:-0} | (result != 0)))
  local colour=$ANSI_GREEN
  [[ $result == 0 ]] || colour=$ANSI_RED
  _travis_say "$colour" "The command \"${TRAVIS_CMD:-}\" exited with $result."
}

travis_retry() {
  local result=0 count=1
  while ((count <= 3)); do
    if ((count > 1)); then
      printf '\n%bThe command "%s" failed. Retrying, %s of 3.%b\n\n' "$ANSI_RED" "$*" "$count" "$ANSI_RESET" >&2
    fi
    "$@"
    result=$?
    [[ $result == 0 ]] && return 0
    ((count++))
    ((count <= 3)) && sleep 1
  done
  printf '\n%bThe command "%s" failed 3 times.%b\n\n' "$ANSI_RED" "$*" "$ANSI_RESET" >&2
  return "$result"
}

travis_jigger() {
  local pid=$1 limit=$2 count=0 clock
  shift 2
  # A pipe that nobody writes to: to wait without a program that would outlive us.
  exec {clock}<> <(:)
  while ((++count <= limit)); do
    ((count == 1)) || printf 'Still running (%s of %s): %s\r' "$count" "$limit" "$*"
    read -r -t 60 -u "$clock" || :
  done
  printf '\n%bTimeout (%s minutes) reached. Terminating "%s"%b\n\n' "$ANSI_RED" "$limit" "$*" "$ANSI_RESET"
  kill -9 "$pid" 2>/dev/null
}

travis_wait() {
  local limit=20
  if [[ ${1:-} =~ ^[0-9]+$ ]]; then
    limit=$1
    shift
  fi
  local log=travis_wait_$$.log pid jigger result colour=$ANSI_GREEN
  "$@" &>"$log" &
  pid=$!
  printf '\n\nStill running (1 of %s): %s\r' "$limit" "$*"
  travis_jigger "$pid" "$limit" "$@" &
  jigger=$!
  wait "$pid" 2>/dev/null
  result=$?
  kill "$jigger" 2>/dev/null
  wait "$jigger" 2>/dev/null
  [[ $result == 0 ]] || colour=$ANSI_RED
  printf '\n%bThe command %s exited with %s.%b\n' "$colour" "$*" "$result" "$ANSI_RESET"
  printf '\n%bLog:%b\n\n' "$ANSI_GREEN" "$ANSI_RESET"
  printf '%s\n' "$(<"$log")"
  return "$result"
}

travis_cmd() {
  local travis_assert= travis_echo= travis_display= travis_retry= travis_timing= travis_event= travis_secure= travis_code
  TRAVIS_CMD=$1
  # A variable that is too long for the kernel would keep every program from starting.
  if ((${#TRAVIS_CMD} < 65536)); then export TRAVIS_CMD; else export -n TRAVIS_CMD; fi
  shift
  while [[ $# -gt 0 ]]; do
    case $1 in
    --assert) travis_assert=1 ;;
    --echo) travis_echo=1 ;;
    --retry) travis_retry=1 ;;
    --timing) travis_timing=1 ;;
    --secure) travis_secure=1 ;;
    --display) travis_display=$2 && shift ;;
    --event) travis_event=$2 && shift ;;
    *) break ;;
    esac
    shift
  done
  if [[ -n $travis_timing ]]; then travis_time_start; fi
  if [[ -n $travis_echo ]]; then printf '$ %s\n' "${travis_display:-$TRAVIS_CMD}"; fi
  if [[ -n $travis_retry ]]; then
    travis_retry eval "$TRAVIS_CMD"
    travis_code=$?
  elif [[ -n $travis_secure ]]; then
    eval "$TRAVIS_CMD" 2>/dev/null
    travis_code=$?
  else
    eval "$TRAVIS_CMD"
    travis_code=$?
  fi
  if [[ -n $travis_timing ]]; then travis_time_finish "$travis_event"; fi
  if [[ -n $travis_assert ]]; then travis_assert "$travis_code"; fi
  return "$travis_code"
}

travis_vers2int() {
  local IFS=. parts
  # shellcheck disable=SC2206
  parts=(${1//[!0-9.]/})
  printf '%d%03d%03d%03d\n' "$((10#${parts[0]:-0}))" "$((10#${parts[1]:-0}))" "$((10#${parts[2]:-0}))" "$((10#${parts[3]:-0}))"
}

travis_has_makefile() {
  [[ -f GNUmakefile || -f makefile || -f Makefile || -f BSDmakefile ]]
}

# $1: address, $2: file, else the last part of the address.
travis_download() {
  local file=${2:-${1##*/}}
  if command -v curl >/dev/null; then
    curl -sSf --retry 5 -L -o "$file" "$1"
  else
    wget -q -O "$file" "$1"
  fi
}

travis_apt_get_update() {
  _travis_say "$ANSI_YELLOW" 'A job may not install packages on this machine; their lists are not updated.'
}

# There is no Ruby apart from the job's.
travis_internal_ruby() {
  :
}

travis_whereami() {
  printf 'infra=%s\nip=127.0.0.1\n' "${TRAVIS_INFRA:-unknown}"
}

travis_footer() {
  : "${TRAVIS_TEST_RESULT:=86}"
  printf '\nDone. Your build exited with %s.\n' "$TRAVIS_TEST_RESULT"
  travis_terminate "$TRAVIS_TEST_RESULT"
}

_travis_install() {
  local fold=$1 cmd=$2
  shift 2
  travis_fold start "$fold"
  travis_cmd "$cmd" --echo --timing --assert --event install "$@"
  travis_fold end "$fold"
}

_travis_script() {
  travis_cmd "$1" --echo --timing --event script
  travis_result $?
}

_travis_no_script() {
  TRAVIS_CMD='no script'
  _travis_say "$ANSI_RED" "$1"
  export TRAVIS_TEST_RESULT=1
}
