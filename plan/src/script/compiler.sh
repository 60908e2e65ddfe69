# $1: c or cpp, $2: compiler asked for.
_travis_use_compiler() {
  local compiler=$2 cc=gcc cxx=g++
  case $compiler in
  gcc* | g++*) cc=${compiler/#g++/gcc} cxx=${compiler/#gcc/g++} ;;
  clang*) cc=${compiler/#clang++/clang} cxx=${cc/#clang/clang++} ;;
  ?*) [[ $1 == c ]] && cc=$compiler || cxx=$compiler ;;
  esac
  [[ $1 == c ]] && compiler=${compiler:-$cc} || compiler=${compiler:-$cxx}
  if [[ -n $2 ]] && ! command -v "$compiler" >/dev/null; then
    local known found=()
    for known in gcc g++ clang clang++ cc c++ tcc; do
      command -v "$known" >/dev/null && found+=("$known")
    done
    _travis_missing compiler "$compiler" "${found[@]}"
  fi
  export TRAVIS_COMPILER=$compiler CC=${CC:-$cc} CC_FOR_BUILD=${CC_FOR_BUILD:-$cc}
  [[ $1 == c ]] || export CXX=${CXX:-$cxx} CXX_FOR_BUILD=${CXX_FOR_BUILD:-$cxx}
  if command -v "$compiler" >/dev/null; then
    travis_cmd "$compiler --version" --echo
  else
    _travis_say "$ANSI_YELLOW" "$compiler is not installed on this machine; going on without it."
  fi
}
