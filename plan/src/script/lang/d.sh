_travis_setup() {
  local wanted=${_travis_d:-dmd} dir name
  case $wanted in
  ldc*) export DC=ldc2 DMD=ldmd2 ;;
  gdc*) export DC=gdc DMD=gdmd ;;
  *) export DC=dmd DMD=dmd ;;
  esac
  name=${wanted%%-*}
  [[ $wanted == *-* ]] && wanted=${wanted#*-} || wanted=
  for dir in "$HOME"/dlang/"$name"-*; do
    [[ ! -f $dir/activate ]] || _travis_offer "${dir##*/"$name"-}" "$dir"
  done
  _travis_plain "$name" "$wanted" "$DC" "$DC --version" latest
  if [[ -n $wanted && -n $TRAVIS_PLACE ]]; then
    # shellcheck source=/dev/null
    source "$TRAVIS_PLACE/activate"
  fi
}

_travis_default_script() {
  _travis_script "dub test --compiler=\$DC"
}
