_travis_use_python() {
  local wanted=$1 site=$2 root=${PYENV_ROOT:-$HOME/.pyenv} python='' dir found=()
  if [[ -z $wanted ]]; then
    _travis_plain Python '' python3 'python3 --version'
    _travis_python_shims "$(command -v python3)"
    return
  fi
  for dir in "$HOME/virtualenv/python$wanted$site" "$HOME/virtualenv/$wanted$site"; do
    if [[ -f $dir/bin/activate ]]; then
      travis_cmd "source $dir/bin/activate" --echo --assert
      return
    fi
  done
  for dir in "$root"/versions/* /opt/python/* /opt/pyenv/versions/*; do
    [[ -x $dir/bin/python ]] || continue
    found+=("${dir##*/}")
    ! _travis_fits "$wanted" "${dir##*/}" || python=$dir/bin/python
  done
  if [[ -z $python ]]; then
    for dir in "python$wanted" python3 python2 python; do
      command -v "$dir" >/dev/null || continue
      _travis_probe "$dir --version"
      [[ " ${found[*]} " == *" $TRAVIS_FOUND "* ]] || found+=("$TRAVIS_FOUND")
      if _travis_fits "$wanted" "$TRAVIS_FOUND"; then
        python=$(command -v "$dir")
        break
      fi
    done
  fi
  [[ -n $python ]] || _travis_missing Python "$wanted" "${found[@]}"
  dir=$HOME/virtualenv/python$wanted
  if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    travis_cmd "$python -m venv ${site:+--system-site-packages} $dir" --echo --timing --assert
    travis_cmd "source $dir/bin/activate" --echo --assert
  else
    _travis_python_shims "$python"
  fi
}

# Without venv: python and pip are this interpreter, and pip installs below the home folder.
_travis_python_shims() {
  [[ -n ${1:-} ]] || return 0
  local bin=$HOME/.travis/python/bin
  mkdir -p "$bin"
  ln -sf "$1" "$bin/python"
  ln -sf "$1" "$bin/python3"
  printf '#!/bin/bash\nexec %q -m pip "$@"\n' "$1" >"$bin/pip"
  chmod +x "$bin/pip"
  export PATH=$bin:$HOME/.local/bin:$PATH PIP_USER=1 PIP_BREAK_SYSTEM_PACKAGES=1
}
