_travis_setup() {
  local wanted=${_travis_go#go} dir
  export GOTOOLCHAIN=${GOTOOLCHAIN:-local}
  if [[ -n $wanted ]]; then
    if command -v gimme >/dev/null && dir=$(gimme "$wanted" 2>/dev/null) && [[ -n $dir ]]; then
      eval "$dir"
    else
      for dir in "$HOME"/.gimme/versions/go*.linux.* "$HOME"/sdk/go* /usr/local/go* /usr/lib/go-* /opt/go*; do
        [[ -x $dir/bin/go && ! -L $dir ]] || continue
        _travis_probe "GOTOOLCHAIN=local $dir/bin/go env GOVERSION"
        _travis_offer "$TRAVIS_FOUND" "$dir"
      done
      if command -v go >/dev/null; then
        _travis_probe 'go env GOVERSION'
        _travis_offer "$TRAVIS_FOUND" ''
      fi
      _travis_choose Go "$wanted" stable
      [[ -z $TRAVIS_PLACE ]] || export GOROOT=$TRAVIS_PLACE PATH=$TRAVIS_PLACE/bin:$PATH
    fi
  else
    _travis_any Go go 'go env GOVERSION'
  fi
  export GOPATH=${GOPATH:-$HOME/gopath}
  export PATH=$GOPATH/bin:$PATH
  [[ -z $_travis_go_import_path ]] || _travis_go_move "$GOPATH/src/$_travis_go_import_path"
}

# Code that is imported under a path of its own stands there below GOPATH; the old place leads to it.
_travis_go_move() {
  [[ ! -e $1 ]] && mkdir -p "${1%/*}" && mv "$TRAVIS_BUILD_DIR" "$1" && ln -s "$1" "$TRAVIS_BUILD_DIR" && cd "$1" || travis_terminate 2
  export TRAVIS_BUILD_DIR=$1
}

_travis_default_install() {
  travis_has_makefile || _travis_install install "go get $_travis_gobuild_args -t ./..." --retry
}

_travis_default_script() {
  if travis_has_makefile; then
    _travis_script make
  else
    _travis_script "go test $_travis_gobuild_args ./..."
  fi
}
