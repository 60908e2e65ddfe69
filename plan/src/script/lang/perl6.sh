_travis_setup() {
  local program=raku
  command -v raku >/dev/null || program=perl6
  _travis_plain Raku "$_travis_perl6" "$program" "$program --version" latest
}

_travis_default_script() {
  local program=perl6
  command -v perl6 >/dev/null || program=raku
  _travis_script "PERL6LIB=lib prove --ext .t --ext .t6 -v -r --exec=$program t/"
}
