_travis_use_node() {
  local wanted=${1#v} dir
  [[ ! -d node_modules/.bin && ! -f package.json ]] || export PATH=./node_modules/.bin:$PATH
  export NVM_DIR=${NVM_DIR:-$HOME/.nvm}
  if [[ -s $NVM_DIR/nvm.sh ]]; then
    # shellcheck source=/dev/null
    source "$NVM_DIR/nvm.sh" --no-use
    if [[ -z $wanted ]]; then
      nvm use default >/dev/null 2>&1 || nvm use node >/dev/null 2>&1
    elif nvm use "$wanted" >/dev/null 2>&1 || nvm install "$wanted" >/dev/null 2>&1; then
      printf 'Now using node %s\n' "$(node --version)"
      return
    fi
  fi
  for dir in "$NVM_DIR"/versions/node/v* "$HOME"/.nodenv/versions/* /opt/node*; do
    [[ -x $dir/bin/node && ! -L $dir ]] || continue
    _travis_probe "$dir/bin/node --version"
    _travis_offer "$TRAVIS_FOUND" "$dir"
  done
  _travis_kept Node.js "$wanted" node 'node --version' 'node stable latest current lts/*'
}

_travis_npm_install() {
  [[ -f package.json ]] || return 0
  if [[ -f yarn.lock ]] && command -v yarn >/dev/null; then
    _travis_install install.yarn 'yarn --frozen-lockfile' --retry
  elif [[ -f package-lock.json || -f npm-shrinkwrap.json ]] && _travis_has_npm_ci; then
    _travis_install install.npm "npm ci $_travis_npm_args" --retry
  else
    _travis_install install.npm "npm install $_travis_npm_args" --retry
  fi
}

# npm knows `ci` since 5.8.
_travis_has_npm_ci() {
  local TRAVIS_FOUND
  _travis_probe 'npm --version'
  _travis_newer "$TRAVIS_FOUND" 5.7.999
}
