_travis_setup() {
  _travis_kept Julia "$_travis_julia" julia 'julia --version' release "$HOME"/julia* "$HOME"/.julia/juliaup/julia-* /opt/julia*
}

_travis_default_script() {
  _travis_script "julia --color=yes --project -e 'using Pkg; Pkg.build()'"
  _travis_script "julia --color=yes --check-bounds=yes --project -e 'using Pkg; Pkg.test(coverage=true)'"
}
