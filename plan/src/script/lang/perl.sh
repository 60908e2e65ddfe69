_travis_setup() {
  local wanted=$_travis_perl dir name
  case $wanted in 5.[123]) wanted+=0 ;; esac
  for dir in "${PERLBREW_ROOT:-$HOME/perl5/perlbrew}"/perls/* "$HOME"/.plenv/versions/*; do
    name=${dir##*/}
    [[ ! -x $dir/bin/perl ]] || _travis_offer "${name#perl-}" "$dir"
  done
  _travis_kept Perl "$wanted" perl "perl -e 'printf q(%vd), \$^V'" stable
}

_travis_default_install() {
  _travis_install install 'cpanm --quiet --installdeps --notest .' --retry
}

_travis_default_script() {
  if [[ -f Build.PL ]]; then
    _travis_script 'perl Build.PL && ./Build && ./Build test'
  elif [[ -f Makefile.PL ]]; then
    _travis_script 'perl Makefile.PL && make test'
  else
    _travis_script 'make test'
  fi
}
