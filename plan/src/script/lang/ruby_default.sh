_travis_setup() {
  [[ -z $_travis_jdk ]] || _travis_use_jdk "$_travis_jdk"
  _travis_use_ruby
  _travis_use_gemfile
}

_travis_default_install() {
  _travis_bundle_install
}

_travis_default_script() {
  _travis_rake
}
