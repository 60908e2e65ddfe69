_travis_setup() {
  _travis_use_jdk "$_travis_jdk"
}

_travis_default_install() {
  _travis_java_install
}

_travis_default_script() {
  _travis_java_script
}
