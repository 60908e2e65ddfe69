_travis_setup() {
  _travis_use_otp
}

_travis_has_rebar_config() {
  [[ -f rebar.config || -f Rebar.config ]]
}

_travis_default_install() {
  _travis_has_rebar_config || return 0
  if [[ -x rebar3 ]] || command -v rebar3 >/dev/null; then
    :
  elif [[ -x rebar ]]; then
    _travis_install install './rebar get-deps'
  else
    _travis_install install 'rebar get-deps'
  fi
}

_travis_default_script() {
  if ! _travis_has_rebar_config; then
    _travis_script 'make test'
  elif [[ -x rebar3 ]]; then
    _travis_script './rebar3 eunit'
  elif command -v rebar3 >/dev/null; then
    _travis_script 'rebar3 eunit'
  elif [[ -x rebar ]]; then
    _travis_script './rebar compile && ./rebar skip_deps=true eunit'
  else
    _travis_script 'rebar compile && rebar skip_deps=true eunit'
  fi
}
