//! The API from outside: requests in, responses out, over a store filled with records.

#[cfg(test)]
mod commands;
#[cfg(test)]
mod entities;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod live;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod own;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod serving;
#[cfg(test)]
mod transport;
