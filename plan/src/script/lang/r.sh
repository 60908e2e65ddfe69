_travis_setup() {
  _travis_kept R "$_travis_r" R 'R --version' 'release bioc-release' /opt/R/*
  export _R_CHECK_CRAN_INCOMING_=${_R_CHECK_CRAN_INCOMING_-false} NOT_CRAN=${NOT_CRAN-true} R_PROFILE=$HOME/.Rprofile.site
  local mirror=${_travis_cran:-https://cloud.r-project.org}
  mirror=${mirror//\\/}
  printf 'options(repos = c(CRAN = "%s"))\n' "${mirror//\"/}" >"$R_PROFILE"
}

# A vector of R with these texts.
_travis_r_texts() {
  local text list=
  for text in "$@"; do
    text=${text//\\/}
    list+=${list:+, }\"${text//\"/}\"
  done
  TRAVIS_R_TEXTS="c($list)"
}

_travis_rscript() {
  local code
  printf -v code '%q' "$1"
  _travis_install install "Rscript -e $code" --retry
}

_travis_default_install() {
  local packages=("${_travis_r_packages[@]}" "${_travis_r_binary_packages[@]}")
  if ((${#packages[@]} > 0)); then
    _travis_r_texts "${packages[@]}"
    _travis_rscript "install.packages($TRAVIS_R_TEXTS)"
  fi
  if ((${#_travis_bioc_packages[@]} > 0)); then
    _travis_r_texts "${_travis_bioc_packages[@]}"
    _travis_rscript "if (!requireNamespace(\"BiocManager\")) install.packages(\"BiocManager\"); BiocManager::install($TRAVIS_R_TEXTS)"
  fi
  local remotes='if (!requireNamespace("remotes")) install.packages("remotes")'
  if ((${#_travis_r_github_packages[@]} > 0)); then
    _travis_r_texts "${_travis_r_github_packages[@]}"
    _travis_rscript "$remotes; remotes::install_github($TRAVIS_R_TEXTS)"
  fi
  [[ ! -f DESCRIPTION ]] || _travis_rscript "$remotes; remotes::install_deps(dependencies = TRUE)"
}

_travis_default_script() {
  _travis_script "R CMD build $_travis_r_build_args ."
  _travis_script "R CMD check *tar.gz ${_travis_r_check_args:---as-cran}"
  [[ $_travis_warnings_are_errors == false ]] ||
    _travis_script '! grep -q -R "WARNING" *.Rcheck/00check.log'
}
