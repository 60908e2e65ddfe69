_travis_setup() {
  [[ -z $_travis_otp_release ]] || _travis_use_otp
  _travis_kept Elixir "$_travis_elixir" elixir 'elixir --short-version' '' "$HOME"/.kiex/elixirs/elixir-* "$HOME"/.asdf/installs/elixir/*
}

_travis_default_install() {
  local TRAVIS_FOUND
  _travis_probe 'elixir --short-version'
  ! _travis_newer "$TRAVIS_FOUND" 1.2.999999 || _travis_install install.rebar 'mix local.rebar --force'
  _travis_install install.hex 'mix local.hex --force'
  _travis_install install 'mix deps.get'
}

_travis_default_script() {
  _travis_script 'mix test'
}
