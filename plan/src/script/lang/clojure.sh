_travis_setup() {
  _travis_use_jdk "$_travis_jdk"
}

_travis_default_install() {
  _travis_install install "${_travis_lein:-lein} deps"
}

_travis_default_script() {
  _travis_script "${_travis_lein:-lein} test"
}
