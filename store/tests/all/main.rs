//! The store from outside: real folders, real repositories made by the `git` program.

#[cfg(test)]
mod archives;
#[cfg(test)]
mod common;
#[cfg(test)]
mod git_fetch;
#[cfg(test)]
mod git_layout;
#[cfg(test)]
mod git_submodules;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod records;
#[cfg(test)]
mod state;
