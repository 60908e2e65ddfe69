_travis_setup() {
  local program
  if [[ -n $_travis_ghc ]]; then
    _travis_offer_folders bin/ghc /opt/ghc/* "$HOME"/.ghcup/ghc/*
    while IFS= read -r program; do
      [[ ${program##*/} =~ ^ghc-([0-9.]+)$ ]] && _travis_offer "${BASH_REMATCH[1]}" "$program"
    done < <(_travis_programs 'ghc-[0-9]*')
  fi
  _travis_plain GHC "$_travis_ghc" ghc 'ghc --numeric-version' latest
  case ${TRAVIS_PLACE:-} in
  '') ;;
  */ghc-[0-9]*)
    mkdir -p "$HOME/.travis/ghc/bin"
    ln -sf "$TRAVIS_PLACE" "$HOME/.travis/ghc/bin/ghc"
    export PATH=$HOME/.travis/ghc/bin:$PATH
    ;;
  *) export PATH=$TRAVIS_PLACE/bin:$PATH ;;
  esac
  [[ -n $_travis_cabal ]] || return 0
  _travis_versions=() _travis_places=() _travis_variable=
  _travis_kept cabal "$_travis_cabal" cabal 'cabal --numeric-version' latest /opt/cabal/*
}

_travis_default_install() {
  _travis_install install 'cabal install --only-dependencies --enable-tests' --retry
}

_travis_default_script() {
  _travis_script 'cabal configure --enable-tests && cabal build && cabal test'
}
