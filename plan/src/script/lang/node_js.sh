_travis_setup() {
  _travis_use_node "$_travis_node_js"
}

_travis_default_install() {
  _travis_npm_install
}

_travis_default_script() {
  if [[ ! -f package.json ]]; then
    _travis_script 'make test'
  elif [[ -f yarn.lock ]] && command -v yarn >/dev/null; then
    _travis_script 'yarn test'
  else
    _travis_script 'npm test'
  fi
}
