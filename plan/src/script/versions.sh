# Versions of languages: what there is, which of them is meant, and what to say when it is not there.
_travis_versions=() _travis_places=()

# Puts a version and where it is (whatever the caller makes of that) on the list.
_travis_offer() {
  [[ -n ${1:-} ]] || return 0
  _travis_versions+=("$1")
  _travis_places+=("${2:-}")
}

# Puts on the list every folder that holds the program $1; its name ends with the version.
_travis_offer_folders() {
  local program=$1 dir name
  shift
  for dir in "$@"; do
    [[ -x $dir/$program && ! -L $dir ]] || continue
    name=${dir##*/}
    _travis_offer "${name#"${name%%[0-9]*}"}" "$dir"
  done
}

# Prints the programs on PATH whose names fit the pattern.
_travis_programs() {
  local dir file IFS=:
  for dir in $PATH; do
    for file in "$dir"/$1; do
      [[ ! -x $file || -d $file ]] || printf '%s\n' "$file"
    done
  done
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

# Whether version $2 is what $1 asks for: the same, or the same up to a dot; a trailing .x stands for anything.
_travis_fits() {
  local wanted=${1%.[xX*]}
  [[ $2 == "$wanted" || $2 == "$wanted".* || $2 == "$wanted"-[0-9]* ]]
}

# The first three numbers of a version, into TRAVIS_PARTS.
_travis_split() {
  local text=${1#"${1%%[0-9]*}"} part
  TRAVIS_PARTS=()
  while ((${#TRAVIS_PARTS[@]} < 3)) && [[ $text =~ ^[0-9]+ ]]; do
    part=${BASH_REMATCH[0]}
    text=${text#"$part"}
    text=${text#[.-]}
    TRAVIS_PARTS+=("$((10#${part:0:6}))")
  done
}

# How far version $2 is from $1, into TRAVIS_DISTANCE; parts that $1 leaves open don't count.
_travis_distance() {
  local wanted i apart
  _travis_split "$1"
  wanted=("${TRAVIS_PARTS[@]}")
  _travis_split "$2"
  TRAVIS_DISTANCE=0
  for i in 0 1 2; do
    apart=0
    ((i >= ${#wanted[@]})) || apart=$((wanted[i] - ${TRAVIS_PARTS[i]:-0}))
    TRAVIS_DISTANCE=$((TRAVIS_DISTANCE * 1000000 + ${apart#-}))
  done
}

# Whether version $1 is newer than $2.
_travis_newer() {
  local other i
  _travis_split "$2"
  other=("${TRAVIS_PARTS[@]}")
  _travis_split "$1"
  for i in 0 1 2; do
    ((${TRAVIS_PARTS[i]:-0} == ${other[i]:-0})) || { ((${TRAVIS_PARTS[i]:-0} > ${other[i]:-0})) && return 0 || return 1; }
  done
  return 1
}

# Chooses from the list, or ends the job. $1: name, $2: version asked for, $3: words that mean the newest one.
# Leaves the version in TRAVIS_FOUND and its place in TRAVIS_PLACE.
_travis_choose() {
  local name=$1 wanted=$2 moving=" ${3:-} " i best=-1 least=
  for i in "${!_travis_versions[@]}"; do
    if [[ $moving == *" $wanted "* ]]; then
      [[ ${_travis_versions[i]} != *-[a-z]* ]] || continue
      # What lasts has an even number (Node.js).
      [[ $wanted != lts* || ${_travis_versions[i]%%.*} =~ [02468]$ ]] || continue
    else
      _travis_fits "$wanted" "${_travis_versions[i]}" || continue
    fi
    if ((best < 0)) || _travis_newer "${_travis_versions[i]}" "${_travis_versions[best]}"; then best=$i; fi
  done
  if ((best >= 0)); then
    TRAVIS_FOUND=${_travis_versions[best]} TRAVIS_PLACE=${_travis_places[best]}
    [[ $moving != *" $wanted "* ]] || printf '%s %s is taken to be %s, the newest on this machine.\n' "$name" "$wanted" "$TRAVIS_FOUND"
    return
  fi
  if [[ -n ${_travis_nearest:-} ]]; then
    for i in "${!_travis_versions[@]}"; do
      [[ $wanted != *[0-9]* || ${_travis_versions[i]%%[0-9]*} == "${wanted%%[0-9]*}" ]] || continue
      _travis_distance "$wanted" "${_travis_versions[i]}"
      if [[ -z $least ]] || ((TRAVIS_DISTANCE < least)) ||
        { ((TRAVIS_DISTANCE == least)) && _travis_newer "${_travis_versions[i]}" "${_travis_versions[best]}"; }; then
        best=$i least=$TRAVIS_DISTANCE
      fi
    done
  fi
  ((best >= 0)) || _travis_missing "$name" "$wanted" "${_travis_versions[@]}"
  TRAVIS_FOUND=${_travis_versions[best]} TRAVIS_PLACE=${_travis_places[best]}
  _travis_substitute "$name" "$wanted" "$TRAVIS_FOUND"
}

# Says which version runs instead of the one asked for: in the log, to the agent (the mark that terminals don't show), and in
# the variable that names the version.
_travis_substitute() {
  _travis_say "$ANSI_YELLOW" "$1 $2 is not installed on this machine; the nearest one there is runs instead: $3."
  printf 'assay_version:%s:%s:%s\r\033[0K' "${1//:/}" "${2//:/}" "${3//:/}"
  [[ -z ${_travis_variable:-} ]] || export "$_travis_variable=$3"
}

# Ends the job: what it asked for is not here. $1: what, $2: version asked for, rest: what there is.
_travis_missing() {
  local what=$1 wanted=$2 one found=
  shift 2
  _travis_say "$ANSI_RED" "$what $wanted is not installed on this machine."
  for one in "$@"; do
    [[ ", $found, " == *", $one, "* ]] || found+=${found:+, }$one
  done
  if [[ -n $found ]]; then
    printf 'There is: %s.\n' "$found"
  else
    printf 'There is no %s at all.\n' "$what"
  fi
  printf '\nYour build has been stopped.\n'
  travis_terminate 2
}

# Takes what is there because no version is asked for. $1: name, $2: program, $3: command that prints its version.
_travis_any() {
  if command -v "$2" >/dev/null; then
    _travis_probe "$3"
    printf 'No version of %s is asked for; using %s.\n' "$1" "${TRAVIS_FOUND:-what is there}"
    [[ -z ${_travis_variable:-} || -z $TRAVIS_FOUND ]] || export "$_travis_variable=$TRAVIS_FOUND"
  else
    _travis_say "$ANSI_YELLOW" "$1 is not installed on this machine; going on without it."
  fi
}

# For languages of which a machine has one: it must be the version asked for. $1: name, $2: version or nothing, $3: program,
# $4: command that prints its version, $5: words that mean the newest.
_travis_plain() {
  if [[ -z $2 ]]; then
    _travis_any "$1" "$3" "$4"
    return
  fi
  if command -v "$3" >/dev/null; then
    _travis_probe "$4"
    _travis_offer "$TRAVIS_FOUND" ''
  fi
  _travis_choose "$1" "$2" "${5:-}"
}

# Like _travis_plain, after the folders that version managers keep ($6 and further; each holds bin/PROGRAM).
_travis_kept() {
  local name=$1 wanted=$2 program=$3 probe=$4 moving=$5
  shift 5
  if [[ -n $wanted ]]; then
    _travis_offer_folders "bin/$program" "$@"
    if command -v "$program" >/dev/null; then
      _travis_probe "$probe"
      _travis_offer "$TRAVIS_FOUND" ''
    fi
    _travis_choose "$name" "$wanted" "$moving"
    [[ -z $TRAVIS_PLACE ]] || export PATH=$TRAVIS_PLACE/bin:$PATH
  else
    _travis_any "$name" "$program" "$probe"
  fi
}
