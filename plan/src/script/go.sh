_travis_use_go() {
  local wanted=${1#go} dir found=()
  if [[ -n $wanted ]]; then
    for dir in "$HOME"/.gimme/versions/go*.linux.* "$HOME"/sdk/go* /usr/local/go* /usr/lib/go-* /opt/go*; do
      [[ -x $dir/bin/go ]] || continue
      _travis_probe "GOTOOLCHAIN=local $dir/bin/go env GOVERSION"
      found+=("$TRAVIS_FOUND")
      if _travis_fits "$wanted" "$TRAVIS_FOUND"; then
        export GOROOT=$dir PATH=$dir/bin:$PATH GOTOOLCHAIN=local
        break
      fi
    done
  fi
  if [[ -n $wanted && -z ${GOROOT:-} ]] && command -v gimme >/dev/null; then
    dir=$(gimme "$wanted" 2>/dev/null) && eval "$dir"
  fi
  export GOTOOLCHAIN=${GOTOOLCHAIN:-local}
  if [[ -z ${GOROOT:-} && -n $wanted ]] && ! command -v go >/dev/null; then
    _travis_missing Go "$wanted" "${found[@]}"
  fi
  _travis_plain Go "$wanted" go 'go env GOVERSION' 'stable oldstable'
}
