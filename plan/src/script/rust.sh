_travis_use_rust() {
  local wanted=$1 list
  if command -v rustup >/dev/null && list=$(rustup toolchain list 2>/dev/null); then
    if [[ -z $wanted ]]; then
      _travis_plain Rust '' rustc 'rustc --version'
      return
    fi
    if [[ $'\n'$list == *$'\n'"$wanted"[-\ ]* || $'\n'$list == *$'\n'"$wanted" ]] ||
      rustup toolchain install "$wanted" --profile minimal >/dev/null 2>&1; then
      export RUSTUP_TOOLCHAIN=$wanted
      return
    fi
    # shellcheck disable=SC2086
    _travis_missing Rust "$wanted" ${list//(*)/}
  fi
  _travis_plain Rust "$wanted" rustc 'rustc --version' 'stable'
}
