_travis_setup() {
  local site='' dir program wanted=$_travis_python root=${PYENV_ROOT:-$HOME/.pyenv}
  [[ $_travis_virtualenv_system_site_packages != true ]] || site=_with_system_site_packages
  export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_PROGRESS_BAR=off
  if [[ -z $wanted ]]; then
    _travis_any Python python3 'python3 --version'
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
    [[ ! -x $dir/bin/python || -L $dir ]] || _travis_offer "${dir##*/}" "$dir/bin/python"
  done
  while IFS= read -r program; do
    [[ ${program##*/} =~ ^(python([0-9](\.[0-9]+)?)?|pypy([0-9](\.[0-9]+)?)?)$ ]] || continue
    _travis_probe "$program --version"
    [[ ${program##*/} != pypy* ]] || TRAVIS_FOUND=${program##*/}
    _travis_offer "$TRAVIS_FOUND" "$program"
  done < <(_travis_programs 'py[tp][hy]*')
  _travis_choose Python "$wanted"
  dir=$HOME/virtualenv/python$TRAVIS_FOUND
  if "$TRAVIS_PLACE" -c 'import ensurepip, venv' 2>/dev/null; then
    travis_cmd "$TRAVIS_PLACE -m venv ${site:+--system-site-packages} $dir" --echo --timing --assert
    travis_cmd "source $dir/bin/activate" --echo --assert
  else
    _travis_python_shims "$TRAVIS_PLACE"
  fi
}

# Without venv: python and pip are this interpreter, and pip installs below the home folder.
_travis_python_shims() {
  [[ -n ${1:-} ]] || return 0
  local bin=$HOME/.travis/python/bin
  mkdir -p "$bin"
  printf '#!/bin/bash\nexec %q "$@"\n' "$1" >"$bin/python"
  cp "$bin/python" "$bin/python3"
  printf '#!/bin/bash\nexec %q -m pip "$@"\n' "$1" >"$bin/pip"
  chmod +x "$bin"/*
  export PATH=$bin:$HOME/.local/bin:$PATH PIP_USER=1 PIP_BREAK_SYSTEM_PACKAGES=1
}

_travis_default_install() {
  if [[ -f Requirements.txt ]]; then
    _travis_install install 'pip install -r Requirements.txt' --retry
  elif [[ -f requirements.txt ]]; then
    _travis_install install 'pip install -r requirements.txt' --retry
  else
    echo 'There is no requirements.txt; give the key install to install what is needed.'
  fi
}

_travis_default_script() {
  _travis_no_script 'A Python job needs the key script: nothing says how to run its tests.'
}
