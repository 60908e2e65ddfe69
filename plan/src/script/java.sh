# $1: what `jdk` says (openjdk11, oraclejdk8, 11, default).
_travis_use_jdk() {
  local wanted=$1 number dir found=()
  number=${wanted##*jdk}
  number=${number%%-*}
  if [[ -z $wanted || $wanted == default ]]; then
    _travis_plain Java '' java 'java -version'
    return
  fi
  for dir in /usr/lib/jvm/* /opt/java/* "$HOME"/.sdkman/candidates/java/*; do
    [[ -x $dir/bin/java && ! -L $dir ]] || continue
    _travis_probe "$dir/bin/java -version"
    found+=("${TRAVIS_FOUND#1.}")
    if _travis_fits "$number" "${TRAVIS_FOUND#1.}"; then
      export JAVA_HOME=$dir PATH=$dir/bin:$PATH
      return
    fi
  done
  if command -v java >/dev/null; then
    _travis_probe 'java -version'
    _travis_fits "$number" "${TRAVIS_FOUND#1.}" && return
    found+=("${TRAVIS_FOUND#1.}")
  fi
  _travis_missing Java "$wanted" "${found[@]}"
}

_travis_java_install() {
  if [[ -f gradlew ]]; then _travis_install install './gradlew assemble'
  elif [[ -f build.gradle || -f build.gradle.kts ]]; then _travis_install install 'gradle assemble'
  elif [[ -f mvnw ]]; then _travis_install install './mvnw install -DskipTests=true -Dmaven.javadoc.skip=true -B -V'
  elif [[ -f pom.xml ]]; then _travis_install install 'mvn install -DskipTests=true -Dmaven.javadoc.skip=true -B -V'
  fi
}

_travis_java_script() {
  if [[ -f gradlew ]]; then _travis_script './gradlew check'
  elif [[ -f build.gradle || -f build.gradle.kts ]]; then _travis_script 'gradle check'
  elif [[ -f mvnw ]]; then _travis_script './mvnw test -B'
  elif [[ -f pom.xml ]]; then _travis_script 'mvn test -B'
  else _travis_script 'ant test'
  fi
}
