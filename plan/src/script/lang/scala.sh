# The compiler of the version asked for is brought by sbt.
_travis_setup() {
  _travis_use_jdk "$_travis_jdk"
}

_travis_has_sbt() {
  [[ -d project || -f build.sbt ]]
}

_travis_default_install() {
  _travis_has_sbt || _travis_java_install
}

_travis_default_script() {
  if _travis_has_sbt; then
    _travis_script "sbt $_travis_sbt_args ${_travis_scala:+++$_travis_scala }test"
  else
    _travis_java_script
  fi
}
