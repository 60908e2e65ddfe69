//! The end-to-end cases: Assay seen from outside only.

#[path = "../harness/mod.rs"]
mod harness;

mod apt;
mod arrows;
mod bad_input;
mod caches;
mod commands;
mod crash;
mod debug;
mod hosts;
mod images;
mod imports;
mod live;
mod owners;
mod push;
mod scripts;
mod services;
mod source;
mod wasm;
