_travis_setup() {
  if [[ -n $_travis_matlab ]]; then
    _travis_plain MATLAB "$_travis_matlab" matlab 'matlab -batch version' latest
  else
    _travis_any MATLAB matlab 'matlab -batch version'
  fi
}

_travis_default_script() {
  _travis_script "matlab -batch \"results = runtests('IncludeSubfolders',true); assertSuccess(results);\""
}
