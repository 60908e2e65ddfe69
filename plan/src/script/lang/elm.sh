_travis_setup() {
  _travis_use_node "$_travis_node_js"
  _travis_versions=() _travis_places=() _travis_variable=TRAVIS_ELM_VERSION
  local wanted=${_travis_elm#elm}
  [[ $wanted != latest-* ]] || wanted=${wanted#latest-}
  _travis_plain Elm "$wanted" elm 'elm --version' latest
}

_travis_default_install() {
  _travis_npm_install
}

_travis_default_script() {
  _travis_script 'elm-format --validate . && elm-test'
}
