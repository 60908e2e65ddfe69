_travis_setup() {
  _travis_use_php
}

_travis_default_script() {
  local bin
  bin=${COMPOSER_BIN_DIR:-}
  [[ -x $bin/phpunit ]] || bin=$(composer config bin-dir 2>/dev/null)
  [[ -x $bin/phpunit ]] || bin=vendor/bin
  if [[ -x $bin/phpunit ]]; then
    printf -v bin '%q' "$bin/phpunit"
    _travis_script "$bin"
  else
    _travis_script phpunit
  fi
}
