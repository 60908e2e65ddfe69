# Options of `git` that change the work tree after it has been laid out.

# $1: file that lists what stays.
_travis_git_sparse() {
  [[ -f $1 ]] || { _travis_say "$ANSI_YELLOW" "git.sparse_checkout: there is no file $1; the whole tree stays."; return; }
  git config core.sparseCheckout true && mkdir -p .git/info && cat "$1" >>.git/info/sparse-checkout && git read-tree -mu HEAD
}

# $1: core.NAME, $2: value. Files already written are written again under the new rule; changed ones are left alone.
_travis_git_core() {
  git config --global "core.$1" "$2"
  [[ $1 == autocrlf && $2 != true ]] || [[ $1 == symlinks && $2 != false ]] && return
  if git diff-files --quiet; then
    git ls-files -z | xargs -0 rm -f -- 2>/dev/null
    git checkout-index -q -f -a -u
  else
    _travis_say "$ANSI_YELLOW" "git.$1 is not applied to the files: some of them differ from the commit."
  fi
}
