_travis_setup() {
  local wanted=$_travis_rust list line
  if [[ -z $wanted ]]; then
    _travis_any Rust rustc 'rustc --version'
    return
  fi
  if command -v rustup >/dev/null && list=$(rustup toolchain list 2>/dev/null); then
    if [[ $'\n'$list == *$'\n'"$wanted"[-\ ]* || $'\n'$list == *$'\n'"$wanted" ]] ||
      rustup toolchain install "$wanted" --profile minimal >/dev/null 2>&1; then
      export RUSTUP_TOOLCHAIN=$wanted
      return
    fi
    while IFS= read -r line; do
      line=${line%% *}
      case $line in
      no | '') continue ;;
      [0-9]*) TRAVIS_FOUND=$line ;;
      *) _travis_probe "rustc +$line --version" ;;
      esac
      _travis_offer "${TRAVIS_FOUND%%-*}" "$line"
    done <<<"$list"
    _travis_choose Rust "$wanted"
    export RUSTUP_TOOLCHAIN=$TRAVIS_PLACE
    return
  fi
  _travis_plain Rust "$wanted" rustc 'rustc --version' stable
}

_travis_default_script() {
  _travis_script 'cargo build --verbose'
  _travis_script 'cargo test --verbose'
}
