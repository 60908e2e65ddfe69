# Says which of the packages are there: this job may not have any installed. One line.
_travis_apt() {
  local package here='' gone=''
  for package in "$@"; do
    # A sandbox may hide the packages' database, but not what they brought.
    if [[ -d /usr/share/doc/${package%%[:=]*} ]] ||
      dpkg-query -W -f '${Status}' -- "$package" 2>/dev/null | grep -q '^install ok installed'; then
      here+=${here:+, }$package
    else
      gone+=${gone:+, }$package
    fi
  done
  _travis_say "$ANSI_YELLOW" "addons.apt: nothing is installed for this job, which has no root (profile: root in assay.yml(5)).${here:+ On this machine: $here.}${gone:+ Not on this machine: $gone.}"
}

