_travis_use_ruby() {
  local wanted=$1 dir found=()
  [[ $wanted != default ]] || wanted=
  if [[ -s ${rvm_path:-$HOME/.rvm}/scripts/rvm ]]; then
    # shellcheck source=/dev/null
    source "${rvm_path:-$HOME/.rvm}/scripts/rvm"
    if rvm use "${wanted:-default}" --fuzzy || { [[ -n $wanted ]] && rvm use "$wanted" --install --binary --fuzzy; }; then
      return
    fi
  fi
  if [[ -n $wanted ]]; then
    for dir in "${RBENV_ROOT:-$HOME/.rbenv}"/versions/* /opt/rubies/* "$HOME"/.rubies/*; do
      [[ -x $dir/bin/ruby ]] || continue
      found+=("${dir##*/}")
      if _travis_fits "${wanted#ruby-}" "${dir##*/ruby-}" || _travis_fits "$wanted" "${dir##*/}"; then
        export PATH=$dir/bin:$PATH
        return
      fi
    done
    if [[ ${#found[@]} -gt 0 ]] && ! command -v ruby >/dev/null; then
      _travis_missing Ruby "$wanted" "${found[@]}"
    fi
  fi
  _travis_plain Ruby "${wanted#ruby-}" ruby 'ruby --version'
}
