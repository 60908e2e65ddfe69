# $1: what `jdk` says (openjdk11, oraclejdk8, 11, default).
_travis_use_jdk() {
  local wanted=$1 number dir
  number=${wanted##*jdk}
  local _travis_versions=() _travis_places=() _travis_variable=TRAVIS_JDK_VERSION
  if [[ -z $wanted || $wanted == default ]]; then
    _travis_any Java java 'java -version'
    return
  fi
  for dir in "$HOME"/.sdkman/candidates/java/* "$HOME"/openjdk* /usr/lib/jvm/* /usr/local/lib/jvm/* /opt/java/*; do
    [[ -x $dir/bin/java && ! -L $dir ]] || continue
    _travis_probe "$dir/bin/java -version"
    _travis_offer "${TRAVIS_FOUND#1.}" "$dir"
  done
  if command -v java >/dev/null; then
    _travis_probe 'java -version'
    _travis_offer "${TRAVIS_FOUND#1.}" ''
  fi
  _travis_choose Java "$number" latest
  [[ -z $TRAVIS_PLACE ]] || export JAVA_HOME=$TRAVIS_PLACE PATH=$TRAVIS_PLACE/bin:$PATH
}

_travis_java_install() {
  if [[ -f gradlew ]]; then
    _travis_install install './gradlew assemble'
  elif [[ -f build.gradle || -f build.gradle.kts ]]; then
    _travis_install install 'gradle assemble'
  elif [[ -f mvnw ]]; then
    _travis_install install './mvnw install -DskipTests=true -Dmaven.javadoc.skip=true -B -V'
  elif [[ -f pom.xml ]]; then
    _travis_install install 'mvn install -DskipTests=true -Dmaven.javadoc.skip=true -B -V'
  fi
}

_travis_java_script() {
  if [[ -f gradlew ]]; then
    _travis_script './gradlew check'
  elif [[ -f build.gradle || -f build.gradle.kts ]]; then
    _travis_script 'gradle check'
  elif [[ -f mvnw ]]; then
    _travis_script './mvnw test -B'
  elif [[ -f pom.xml ]]; then
    _travis_script 'mvn test -B'
  else
    _travis_script 'ant test'
  fi
}
