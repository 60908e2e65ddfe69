_travis_use_ruby() {
  local wanted=$_travis_rvm rvm=${rvm_path:-$HOME/.rvm} dir name
  [[ $wanted != default ]] || wanted=
  if [[ -s $rvm/scripts/rvm ]]; then
    # shellcheck source=/dev/null
    source "$rvm/scripts/rvm"
    if rvm use "${wanted:-default}" --fuzzy || { [[ -n $wanted ]] && rvm use "$wanted" --install --binary --fuzzy; }; then
      return
    fi
  fi
  if [[ -z $wanted ]]; then
    _travis_any Ruby ruby 'ruby --version'
    return
  fi
  for dir in "$rvm"/rubies/* "${RBENV_ROOT:-$HOME/.rbenv}"/versions/* /opt/rubies/* "$HOME"/.rubies/*; do
    [[ -x $dir/bin/ruby && ! -L $dir ]] || continue
    name=${dir##*/}
    _travis_offer "${name#ruby-}" "$dir"
  done
  if command -v ruby >/dev/null; then
    _travis_probe 'ruby --version'
    _travis_offer "$TRAVIS_FOUND" ''
  fi
  _travis_choose Ruby "${wanted#ruby-}" ruby
  case $TRAVIS_PLACE in
  '') ;;
  "$rvm"/*) rvm use "${TRAVIS_PLACE##*/}" ;;
  *) export PATH=$TRAVIS_PLACE/bin:$PATH ;;
  esac
}

_travis_use_gemfile() {
  [[ ! -f ${_travis_gemfile:-Gemfile} ]] || export BUNDLE_GEMFILE=$PWD/${_travis_gemfile:-Gemfile}
}

_travis_bundle_install() {
  local gemfile=${BUNDLE_GEMFILE:-Gemfile}
  if [[ ! -f $gemfile ]]; then
    echo 'No Gemfile found, skipping bundle install'
  elif [[ -n $_travis_bundler_args ]]; then
    _travis_install install.bundler "bundle install $_travis_bundler_args" --retry
  elif [[ -f $gemfile.lock ]]; then
    _travis_install install.bundler 'bundle install --jobs=3 --retry=3 --deployment' --retry
  else
    _travis_install install.bundler 'bundle install --jobs=3 --retry=3' --retry
  fi
}

_travis_rake() {
  if [[ -f ${BUNDLE_GEMFILE:-Gemfile} ]]; then
    _travis_script 'bundle exec rake'
  else
    _travis_script 'rake'
  fi
}
