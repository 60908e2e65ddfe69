//! The language and the job script, tried from outside: cases, real files, hostile bytes, scripts that are run.
#![expect(
    clippy::disallowed_methods,
    reason = "tests read files, run programs and look at the clock"
)]

#[cfg(test)]
mod assumed;
#[cfg(test)]
mod caches;
#[cfg(test)]
mod cases;
#[cfg(test)]
#[path = "../../fuzz/src/checks.rs"]
mod checks;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod debug;
#[cfg(test)]
mod languages;
#[cfg(test)]
mod needs;
#[cfg(test)]
mod nouns;
#[cfg(test)]
mod robust;
#[cfg(test)]
mod script;
mod services;
#[cfg(test)]
mod shell;
#[cfg(test)]
mod wasm;
