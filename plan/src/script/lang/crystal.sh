_travis_setup() {
  _travis_plain Crystal "$_travis_crystal" crystal 'crystal --version' 'stable latest'
}

_travis_default_install() {
  [[ ! -f shard.yml ]] || _travis_install install 'shards install'
}

_travis_default_script() {
  _travis_script 'crystal spec'
}
