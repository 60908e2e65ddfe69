# Travis has no commands of its own for Hack: it installs and tests as for Ruby.
_travis_setup() {
  _travis_plain HHVM "${_travis_hhvm#hhvm-}" hhvm 'hhvm --version' hhvm
  _travis_versions=() _travis_places=() _travis_variable=TRAVIS_PHP_VERSION
  [[ -z $_travis_php ]] || _travis_use_php
  _travis_use_gemfile
}

_travis_default_install() {
  _travis_bundle_install
}

_travis_default_script() {
  _travis_rake
}
