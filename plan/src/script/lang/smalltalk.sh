# smalltalkci fetches the image it is told.
_travis_setup() {
  export TRAVIS_SMALLTALK_VERSION=$_travis_smalltalk TRAVIS_SMALLTALK_CONFIG=${_travis_smalltalk_config[0]:-}
  export TRAVIS_SMALLTALK_VM=${_travis_smalltalk_vm:-}
  command -v smalltalkci >/dev/null || _travis_missing smalltalkci "${_travis_smalltalk:-}"
}

_travis_default_script() {
  _travis_script smalltalkci
}
