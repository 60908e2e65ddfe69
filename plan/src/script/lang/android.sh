_travis_setup() {
  _travis_use_jdk "$_travis_jdk"
  [[ ${#_travis_android_components[@]} -gt 0 ]] || return 0
  local component manager=${ANDROID_HOME:-${ANDROID_SDK_ROOT:-/usr/local/android-sdk}}/cmdline-tools/latest/bin/sdkmanager
  command -v "$manager" >/dev/null || manager=sdkmanager
  command -v "$manager" >/dev/null || _travis_missing 'Android component' "${_travis_android_components[*]}"
  travis_fold start android.install
  for component in "${_travis_android_components[@]}"; do
    printf -v component '%q' "$component"
    travis_cmd "yes | $manager $component" --echo --timing --assert
  done
  travis_fold end android.install
}

_travis_default_script() {
  if [[ -f gradlew ]]; then
    _travis_script './gradlew build connectedCheck'
  elif [[ -f build.gradle || -f build.gradle.kts ]]; then
    _travis_script 'gradle build connectedCheck'
  elif [[ -f mvnw ]]; then
    _travis_script './mvnw install -B'
  elif [[ -f pom.xml ]]; then
    _travis_script 'mvn install -B'
  else
    _travis_script 'ant debug install test'
  fi
}
