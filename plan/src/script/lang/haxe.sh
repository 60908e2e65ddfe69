_travis_setup() {
  _travis_kept Haxe "$_travis_haxe" haxe 'haxe --version' stable
  [[ -n $_travis_neko ]] || return 0
  _travis_versions=() _travis_places=() _travis_variable=
  _travis_plain Neko "$_travis_neko" neko 'neko -version' stable
}

_travis_default_install() {
  local file
  for file in "${_travis_hxml[@]}"; do
    printf -v file '%q' "$file"
    _travis_install install "yes | haxelib install $file" --retry
  done
}

_travis_default_script() {
  local file
  ((${#_travis_hxml[@]} > 0)) || _travis_no_script 'A Haxe job needs the key script or hxml: nothing says how to run its tests.'
  for file in "${_travis_hxml[@]}"; do
    printf -v file '%q' "$file"
    _travis_script "haxe $file"
  done
}
