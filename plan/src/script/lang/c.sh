# $1: c or cpp.
_travis_use_compiler() {
  local compiler cc=gcc cxx=g++ known
  case $_travis_compiler in
  gcc* | g++*) cc=${_travis_compiler/#g++/gcc} cxx=${_travis_compiler/#gcc/g++} ;;
  clang*) cc=${_travis_compiler/#clang++/clang} cxx=${cc/#clang/clang++} ;;
  ?*) [[ $1 == c ]] && cc=$_travis_compiler || cxx=$_travis_compiler ;;
  esac
  [[ $1 == c ]] && compiler=$cc || compiler=$cxx
  if [[ -n $_travis_compiler ]] && ! command -v "$compiler" >/dev/null; then
    local found=()
    for known in gcc g++ clang clang++ cc c++ tcc; do
      ! command -v "$known" >/dev/null || found+=("$known")
    done
    _travis_missing compiler "$compiler" "${found[@]}"
  fi
  export TRAVIS_COMPILER=${_travis_compiler:-$compiler} CC=${CC:-$cc} CC_FOR_BUILD=${CC_FOR_BUILD:-$cc}
  [[ $1 == c ]] || export CXX=${CXX:-$cxx} CXX_FOR_BUILD=${CXX_FOR_BUILD:-$cxx}
  if command -v "$compiler" >/dev/null; then
    travis_cmd "$compiler --version" --echo
  else
    _travis_say "$ANSI_YELLOW" "$compiler is not installed on this machine; going on without it."
  fi
}

_travis_setup() {
  _travis_use_compiler "$_travis_language"
}

_travis_default_script() {
  _travis_script './configure && make && make test'
}
