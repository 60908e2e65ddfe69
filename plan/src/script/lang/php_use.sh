_travis_use_php() {
  local program wanted=$_travis_php
  if [[ -n $wanted && $wanted != hhvm* ]]; then
    _travis_offer_folders bin/php "$HOME"/.phpenv/versions/* /opt/php/*
    while IFS= read -r program; do
      [[ ${program##*/} =~ ^php[0-9]\.[0-9]+$ ]] || continue
      _travis_probe "$program -r 'echo PHP_VERSION;'"
      _travis_offer "$TRAVIS_FOUND" "$program"
    done < <(_travis_programs 'php[0-9]*')
  fi
  _travis_plain PHP "$wanted" php "php -r 'echo PHP_VERSION;'"
  case ${TRAVIS_PLACE:-} in
  '') ;;
  */php[0-9]*)
    mkdir -p "$HOME/.travis/php/bin"
    ln -sf "$TRAVIS_PLACE" "$HOME/.travis/php/bin/php"
    export PATH=$HOME/.travis/php/bin:$PATH
    ;;
  *) export PATH=$TRAVIS_PLACE/bin:$PATH ;;
  esac
}
