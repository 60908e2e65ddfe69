//! The store from outside: real folders, real repositories made by the `git` program.

mod common;
mod git_fetch;
mod git_layout;
mod logs;
mod records;
mod state;
