_travis_use_node() {
  local wanted=$1
  [[ -d node_modules/.bin || -f package.json ]] && export PATH=./node_modules/.bin:$PATH
  export NVM_DIR=${NVM_DIR:-$HOME/.nvm}
  if [[ -s $NVM_DIR/nvm.sh ]]; then
    # shellcheck source=/dev/null
    source "$NVM_DIR/nvm.sh" --no-use
    if [[ -z $wanted ]]; then
      nvm use default >/dev/null 2>&1 || nvm use node >/dev/null 2>&1
      _travis_plain Node.js '' node 'node --version'
      return
    fi
    if nvm use "$wanted" >/dev/null 2>&1 || nvm install "$wanted" >/dev/null 2>&1; then
      printf 'Now using node %s\n' "$wanted"
      return
    fi
  fi
  _travis_plain Node.js "${wanted#v}" node 'node --version' 'node stable latest lts/* lts'
}
