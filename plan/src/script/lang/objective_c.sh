_travis_setup() {
  _travis_use_ruby
  _travis_use_gemfile
}

_travis_default_install() {
  [[ ! -f ${BUNDLE_GEMFILE:-Gemfile} ]] || _travis_bundle_install
  local podfile=${_travis_podfile:-Podfile} pod=pod dir
  [[ -f $podfile ]] || return 0
  [[ ! -f ${BUNDLE_GEMFILE:-Gemfile} ]] || pod='bundle exec pod'
  dir=$(dirname "$podfile")
  printf -v dir '%q' "$dir"
  _travis_install install.cocoapods "pushd $dir && $pod install && popd" --retry
}

_travis_default_script() {
  local place
  if [[ -z $_travis_xcode_scheme || -z $_travis_xcode_project$_travis_xcode_workspace ]]; then
    _travis_no_script 'An Objective-C job needs the key script, or xcode_scheme with xcode_project or xcode_workspace: nothing says what to test.'
    return
  fi
  if [[ -n $_travis_xcode_workspace ]]; then
    printf -v place -- '-workspace %q' "$_travis_xcode_workspace"
  else
    printf -v place -- '-project %q' "$_travis_xcode_project"
  fi
  printf -v place -- '%s -scheme %q' "$place" "$_travis_xcode_scheme"
  [[ -z $_travis_xcode_sdk ]] || printf -v place -- '%s -sdk %q' "$place" "$_travis_xcode_sdk"
  [[ -z $_travis_xcode_destination ]] || printf -v place -- '%s -destination %q' "$place" "$_travis_xcode_destination"
  _travis_script "set -o pipefail && xcodebuild $place $_travis_xctool_args build test | xcpretty"
}
