_travis_otp_version() {
  cat "$(erl -noshell -eval 'io:put_chars(code:root_dir()), halt().')"/releases/*/OTP_VERSION
}

_travis_use_otp() {
  local wanted=$_travis_otp_release dir TRAVIS_PLACE=
  local _travis_versions=() _travis_places=() _travis_variable=TRAVIS_OTP_RELEASE
  for dir in "$HOME"/otp/*; do
    [[ ! -f $dir/activate ]] || _travis_offer "${dir##*/}" "$dir"
  done
  _travis_plain Erlang "$wanted" erl _travis_otp_version
  if [[ -n $TRAVIS_PLACE ]]; then
    # shellcheck source=/dev/null
    source "$TRAVIS_PLACE/activate"
  fi
}
