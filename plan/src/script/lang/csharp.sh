_travis_setup() {
  if [[ -n $_travis_dotnet && $_travis_dotnet != none ]]; then
    local list
    list=$(dotnet --list-sdks 2>/dev/null) || list=
    while read -r list _; do _travis_offer "$list" ''; done <<<"$list"
    _travis_choose .NET "$_travis_dotnet" latest
  fi
  case $_travis_mono in
  '' | none) ;;
  *)
    _travis_versions=() _travis_places=() _travis_variable=
    _travis_plain Mono "$_travis_mono" mono 'mono --version' latest
    ;;
  esac
}

_travis_default_install() {
  local solution
  [[ -n $_travis_solution ]] || return 0
  printf -v solution '%q' "$_travis_solution"
  _travis_install install "nuget restore $solution" --retry
}

_travis_default_script() {
  local solution program=xbuild
  if [[ -z $_travis_solution ]]; then
    _travis_no_script 'A C# job needs the key script or solution: nothing says what to build.'
    return
  fi
  ! command -v msbuild >/dev/null || program=msbuild
  printf -v solution '%q' "$_travis_solution"
  _travis_script "$program /p:Configuration=Release $solution"
}
