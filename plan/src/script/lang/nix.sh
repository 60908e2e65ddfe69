_travis_setup() {
  _travis_plain Nix "$_travis_nix" nix 'nix --version' latest
}

_travis_default_script() {
  _travis_script nix-build
}
