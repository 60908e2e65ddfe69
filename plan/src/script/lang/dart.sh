_travis_setup() {
  _travis_plain Dart "$_travis_dart" dart 'dart --version' stable
}

# `pub` was a program of its own once.
_travis_pub() {
  if command -v pub >/dev/null; then
    printf pub
  else
    printf 'dart pub'
  fi
}

_travis_default_install() {
  [[ ! -f pubspec.yaml ]] || _travis_install install "$(_travis_pub) get" --retry
}

_travis_default_script() {
  local done=
  if [[ -n $_travis_dart_task_dartanalyzer ]]; then
    [[ $_travis_dart_task_dartanalyzer != true ]] || _travis_dart_task_dartanalyzer=.
    _travis_script "dartanalyzer $_travis_dart_task_dartanalyzer"
    done=1
  fi
  if [[ $_travis_dart_task_dartfmt == true || $_travis_dart_task == dartfmt ]]; then
    _travis_script 'test -z "$(dartfmt --dry-run . | tee /dev/stderr)"'
    done=1
  fi
  if [[ $_travis_dart_task == dartanalyzer ]]; then
    _travis_script 'dartanalyzer .'
    done=1
  fi
  [[ -z $_travis_dart_task_test && -n $done ]] || _travis_script "$(_travis_pub) run test${_travis_dart_task_test:+ $_travis_dart_task_test}"
}
